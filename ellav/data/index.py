"""The index of a tokenised set: where its utterances' lines stand, so that opening a set reads none of its tables.

A set is a folder of tables, or of shards, `shards/*/`, each with tables of its own; its
utterances are those of the first shard, of the second, and so on. The folder `index` beside
the tables has numbers only, which are mapped, not read, so that all processes of a machine
share one copy: about 12 bytes an utterance. Tables are edited by people, so the index holds the
size and the time of change of each, and is made anew where they are not as they were.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ellav.data.files import describe
from ellav.data.index_shard import EVERY, LENGTHS, SPEAKERS, index_shard
from ellav.data.outputs import beside, locked, write_text
from ellav.data.shards import SHARDS, shard_folders
from ellav.data.speakers import BySpeaker, group_chunks
from ellav.errors import UserError

TABLES = (LENGTHS, SPEAKERS, "phones", "word_of_phone", "durations", "codes.scp", "text")
OPTIONAL = ("utt2lang", "pauses")
INDEX, DESCRIPTION = "index", "tables.json"
VERSION = 1


@dataclass(frozen=True)
class Index:
    """Where the lines of U utterances stand in the tables of N shards.

    folder: of the set. folders: of its shards. tables: names. files: by their paths below the folder, what `describe`
    says of each table. firsts: N + 1 numbers of utterances, each shard's first, and U. groups: N
    places in `lines`, each shard's first. lengths: (U,) int32 frames. by_speaker: over all shards. lines: (tables, G)
    int64, bytes at which groups of EVERY lines begin; after a shard's last group stands the size of its table.
    """

    folder: Path
    folders: list[Path]
    tables: list[str]
    files: dict[str, dict]
    firsts: list[int]
    groups: list[int]
    lengths: np.ndarray
    by_speaker: BySpeaker
    lines: np.ndarray

    def shard(self, utterance: int) -> tuple[int, int]:
        """The shard of an utterance, and its number in that."""
        shard = bisect_right(self.firsts, utterance) - 1
        return shard, utterance - self.firsts[shard]

    def place(self, table: str, utterance: int) -> tuple[str, int, int, int]:
        """The file that has an utterance's line, the line's number, from 0, and where its group of lines begins and
        ends, in bytes."""
        shard, line = self.shard(utterance)
        group = self.groups[shard] + line // EVERY
        begin, end = self.lines[self.tables.index(table), group : group + 2].tolist()
        return f"{self.folders[shard]}/{table}", line, begin, end  # text: paths take longer to make than lines to read


def open_index(folder: Path | str) -> Index:
    """The index of a set, made anew where it is missing or its tables have changed.

    One process makes it, others wait for that. Where the folder cannot be written, it is made for this process alone
    and a line says so. Raises UserError where the tables are not as stage 5 writes them.
    """
    folder = Path(folder)
    if (found := _read(folder, folder / INDEX)) is not None:
        return found
    try:
        with locked(folder / INDEX, wait=True):
            if (found := _read(folder, folder / INDEX)) is None:
                write_index(folder)
                found = _read(folder, folder / INDEX)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        print(
            f"{folder}: its index is missing or older than its tables, and the folder cannot be written; making one for"
            " this process alone, as every process will: open the set once where it can be written",
            file=sys.stderr,
        )
        with tempfile.TemporaryDirectory(prefix="ellav-index-") as temporary:
            write_index(folder, Path(temporary) / INDEX)
            found = _read(folder, Path(temporary) / INDEX)  # what is mapped stays when its name goes
    if found is None:
        raise UserError(f"{folder}: its tables change while they are read; try again when they are complete")
    return found


def write_index(folder: Path | str, out: Path | None = None) -> None:
    """Read all tables of a set once, a few thousand lines at a time, and write its index, to `out` if given.

    Raises UserError naming the file, and the line, unless all hold the same utterances in one order.
    """
    folder = Path(folder)
    out = out or folder / INDEX
    shards, described = _shards(folder), _describe(folder)
    names = [name for name in (*TABLES, *OPTIONAL) if _relative(shards[0], name) in described]
    made = [index_shard(folder / shard, names) for shard in shards]
    if not any(len(shard.lengths) for shard in made):
        raise UserError(f"{folder}: no utterances")
    number = {name: i for i, name in enumerate(sorted({name for shard in made for name in shard.names}))}
    numbers = [np.array([number[name] for name in shard.names], np.int32)[shard.speakers] for shard in made]
    grouped = group_chunks(numbers)
    arrays = {
        "lengths": np.concatenate([shard.lengths for shard in made]),
        "by_speaker": grouped.order,
        "speaker_ends": grouped.ends,
        "lines": np.concatenate([shard.lines for shard in made], axis=1),
    }
    about = {
        "version": VERSION,
        "every": EVERY,
        "shards": [{"name": name, "utterances": len(s.lengths)} for name, s in zip(shards, made, strict=True)],
        "tables": names,
        "files": described,
    }
    temporary = out.with_name(f"{out.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)  # of a process that was killed
    temporary.mkdir()
    try:
        for name, array in arrays.items():
            with beside(temporary / f"{name}.npy") as path, open(path, "wb") as stream:
                np.save(stream, array, allow_pickle=False)
        write_text(temporary / DESCRIPTION, json.dumps(about, indent=1) + "\n")
        shutil.rmtree(out, ignore_errors=True)
        os.rename(temporary, out)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _read(folder: Path, index: Path) -> Index | None:
    """The index at `index`, if it is whole and of the set's tables as they are."""
    try:
        about = json.loads((index / DESCRIPTION).read_text(encoding="utf-8"))
        if (about["version"], about["every"]) != (VERSION, EVERY) or about["files"] != _describe(folder):
            return None
        arrays = [
            np.load(index / f"{name}.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
            for name in ("lengths", "by_speaker", "speaker_ends", "lines")
        ]
        counts = [shard["utterances"] for shard in about["shards"]]
        names, tables = [shard["name"] for shard in about["shards"]], about["tables"]
    except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
        return None
    firsts = np.cumsum([0, *counts]).tolist()
    groups = np.cumsum([0, *(-(-count // EVERY) + 1 for count in counts)]).tolist()
    lengths, order, ends, lines = arrays
    shapes = [(firsts[-1],), (firsts[-1],), (len(tables), groups[-1])]
    if [lengths.shape, order.shape, lines.shape] != shapes or not ends.size or ends[-1] != firsts[-1]:
        return None
    folders = [folder / name for name in names]
    return Index(folder, folders, tables, about["files"], firsts, groups[:-1], lengths, BySpeaker(order, ends), lines)


def _shards(folder: Path) -> list[str]:
    """Names of the set's shards below its folder, in their order; "." where it has none."""
    return [str(shard.relative_to(folder)) for shard in shard_folders(folder, "stage 5 (tokens)")]


def _describe(folder: Path) -> dict[str, dict]:
    """By their paths below the folder, all tables of all shards. Raises UserError where one is missing."""
    found: dict[str, dict] = {}
    optional: set[str] | None = None
    for shard in _shards(folder):
        there = set()
        for name in (*TABLES, *OPTIONAL):
            try:
                status = os.stat(folder / shard / name)
            except FileNotFoundError:
                if name in TABLES:
                    raise UserError(f"{folder / shard / name}: no such file; run stage 5 (tokens) first") from None
                continue
            found[_relative(shard, name)] = describe(status)
            there.add(name)
        if optional is not None and there != optional:
            odd = min(there ^ optional)
            raise UserError(f"{folder / SHARDS}: only some of its shards have the table {odd}; rerun stage 5 (tokens)")
        optional = there
    return found


def _relative(shard: str, name: str) -> str:
    return name if shard == "." else f"{shard}/{name}"
