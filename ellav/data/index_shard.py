"""What the index of a set knows of one shard, from a single pass over its tables side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from itertools import accumulate, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.errors import UserError

EVERY = 16
"""Lines from one place that is noted to the next: those between are found by reading the group, a few kilobytes."""
LENGTHS, SPEAKERS = "utt2num_frames", "utt2spk"
_AT_ONCE = 256 * EVERY
_AGAIN = "rerun stage 5 (tokens)"


class ShardIndex(NamedTuple):
    """U utterances. lengths: (U,) int32 frames. speakers: (U,) int32, index into `names`. names: of the speakers, in
    the order in which they come. lines: (tables, G + 1) int64, bytes at which each group of EVERY lines begins, and the
    table's size."""

    lengths: np.ndarray
    speakers: np.ndarray
    names: list[bytes]
    lines: np.ndarray


def index_shard(folder: Path, tables: Sequence[str]) -> ShardIndex:
    """Read all tables a few thousand lines at a time. tables: names, LENGTHS first, SPEAKERS second.

    Raises UserError naming file and line unless all hold the same utterances, in one order.
    """
    at = [0] * len(tables)
    begins = [[np.zeros(0, np.int64)] for _ in tables]
    lengths, speakers, names = [np.zeros(0, np.int32)], [np.zeros(0, np.int32)], {}
    read = 0
    with ExitStack() as stack:
        files = [stack.enter_context(open(folder / name, "rb")) for name in tables]
        while True:
            blocks = [list(islice(file, _AT_ONCE)) for file in files]
            _check(folder, tables, blocks, read)
            if not blocks[0]:
                break
            for number, block in enumerate(blocks):
                ends = list(accumulate(map(len, block), initial=at[number]))
                begins[number].append(np.array(ends[:-1:EVERY], np.int64))
                at[number] = ends[-1]
            lengths.append(_frames(folder / LENGTHS, blocks[0], read))
            voices = [_value(line) for line in blocks[1]]
            speakers.append(np.array([names.setdefault(voice, len(names)) for voice in voices], np.int32))
            read += len(blocks[0])
    lines = np.stack([np.append(np.concatenate(rows), size) for rows, size in zip(begins, at, strict=True)])
    return ShardIndex(np.concatenate(lengths), np.concatenate(speakers), list(names), lines)


def _check(folder: Path, tables: Sequence[str], blocks: list[list[bytes]], read: int) -> None:
    """Raises UserError unless the lines of all tables are whole and have the same keys. read: lines before these."""
    for name, block in zip(tables, blocks, strict=True):
        if block and not block[-1].endswith(b"\n"):
            raise UserError(f"{folder / name}: its last line is torn; {_AGAIN}")
    wanted = [_key(line) for line in blocks[0]]
    for name, block in zip(tables[1:], blocks[1:], strict=True):
        keys = [_key(line) for line in block]
        if keys == wanted:
            continue
        for number, (key, id) in enumerate(zip(keys, wanted, strict=False), read + 1):
            if key != id:
                raise UserError(f"{folder / name}:{number}: {_shown(key)} stands where {_shown(id)} should; {_AGAIN}")
        more, fewer = (name, tables[0]) if len(keys) > len(wanted) else (tables[0], name)
        odd = max(keys, wanted, key=len)[min(len(keys), len(wanted))]
        raise UserError(
            f"{folder}: its tables do not hold the same utterances: {_shown(odd)} is in {more}, and {fewer} ends before"
            f" it; {_AGAIN}"
        )


def _frames(path: Path, block: list[bytes], read: int) -> np.ndarray:
    values = [_value(line) for line in block]
    for number, value in enumerate(values, read + 1):
        if not value.isdigit() or len(value) > 9:
            raise UserError(f"{path}:{number}: {_shown(value)} is no number of frames; {_AGAIN}")
    return np.array([int(value) for value in values], np.int32)


def _key(line: bytes) -> bytes:
    return line[:-1].split(b" ", 1)[0]


def _value(line: bytes) -> bytes:
    return line[:-1].partition(b" ")[2]


def _shown(content: bytes) -> str:
    return repr(content.decode(errors="replace"))
