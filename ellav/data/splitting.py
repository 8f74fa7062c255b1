"""Cutting a data folder into shards of neighbouring utterances, a line at a time."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path

from ellav.data.checks import table_names
from ellav.data.files import describe
from ellav.data.kaldi import read_table, write_table
from ellav.data.outputs import fingerprint, naming, write_text, writing
from ellav.data.shards import RECORD, SHARDS, shard_name
from ellav.errors import UserError

STAGE = "2 (format wavs)"


def cut(data: Path, out: Path, count: int) -> int:
    """Write `out/shards/K-of-N/`, with the lines of all tables of `data` of their utterances; returns N.

    N is `count`, or one shard an utterance where there are fewer. Each shard has a record of its own, whose key is its
    content: what was made of a shard stays good while that does not change. Raises UserError naming the line of
    a table that is not sorted, or where there are no utterances.
    """
    names = [name for name in table_names(data) if not name.startswith("spk2")]
    files = {str(data / name): describe(os.stat(data / name)) for name in names if (data / name).exists()}
    with writing(out, STAGE, {"shards": count, "files": files}, []) as folder:
        if folder is not None:
            firsts = first_utterances(data / "text", count)
            shards = [folder / SHARDS / shard_name(number, len(firsts)) for number in range(1, len(firsts) + 1)]
            for shard in shards:
                shard.mkdir(parents=True, exist_ok=True)
            segmented = "segments" in names
            for name in names:
                if not (segmented and name == "wav.scp"):
                    distribute(data / name, [shard / name for shard in shards], firsts)
            if segmented:
                recordings = read_table(data / "wav.scp")
                for shard in shards:
                    named = {line.split()[0] for line in read_table(shard / "segments").values() if line}
                    write_table(shard / "wav.scp", {name: recordings[name] for name in named if name in recordings})
            for shard in shards:
                record = {"key": fingerprint(shard), "stage": STAGE, "options": {}, "inputs": {}, "files": files}
                write_text(shard / RECORD, json.dumps(record, indent=1) + "\n")
    return len(list((out / SHARDS).iterdir()))


def first_utterances(table: Path, count: int) -> list[bytes]:
    """The first key of each of `count` shards whose sizes differ by one at most."""
    total = sum(1 for _ in keyed(table))
    if not total:
        raise UserError(f"{table}: no utterances")
    count = min(count, total)
    places = iter([number * total // count for number in range(count)])
    firsts, at, rows = [], 0, keyed(table)
    for place in places:
        key, _ = next(islice(rows, place - at, None))
        firsts.append(key)
        at = place + 1
    return firsts


def distribute(table: Path, outs: list[Path], firsts: list[bytes]) -> None:
    """Write each line of a table into the one of `outs` whose first utterance stands last before it."""
    with ExitStack() as stack:
        streams = iter([stack.enter_context(open(path, "wb")) for path in outs])
        stream, later = next(streams), iter(firsts[1:])
        coming = next(later, None)
        for key, line in keyed(table):
            while coming is not None and key >= coming:
                stream, coming = next(streams), next(later, None)
            with naming(outs[0]):
                stream.write(line + b"\n")


def keyed(table: Path) -> Iterator[tuple[bytes, bytes]]:
    """Key and line of each line that is not empty. Raises UserError naming the first that is out of order."""
    previous = b""
    try:
        stream = open(table, "rb")  # noqa: SIM115
    except OSError as error:
        raise UserError(f"{table}: {error.strerror.lower().replace(' or directory', '')}") from None
    with stream:
        for number, line in enumerate(stream, 1):
            line = line.strip()
            if not line:
                continue
            key = line.split(b" ", 1)[0]
            if key < previous:
                shown = repr(key.decode(errors="replace"))
                raise UserError(f"{table}:{number}: {shown} is out of order; sort it with `LC_ALL=C sort`")
            yield key, line
            previous = key
