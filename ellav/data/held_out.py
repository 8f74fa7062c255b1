"""Utterances held out of a data folder, and the rest, its tables read side by side, a line at a time."""

from __future__ import annotations

import random
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ellav.data.checks import TABLES
from ellav.data.folder_rows import utterances
from ellav.data.kaldi import table_line
from ellav.data.outputs import naming
from ellav.data.sorting import write_spk2utt
from ellav.errors import UserError


class Pool(NamedTuple):
    """What may be held out: `size` utterances of `speakers`, of any speaker where there are none; of `total`."""

    speakers: frozenset[str]
    size: int
    total: int


def pool_of(data: Path, speakers: Collection[str]) -> Pool:
    """Raises UserError naming an utterance that stands in only some tables, or a speaker that is not there."""
    speakers, wanted, size, total = frozenset(speakers), set(speakers), 0, 0
    for _, row in utterances(data):
        wanted.discard(row["utt2spk"])
        size += not speakers or row["utt2spk"] in speakers
        total += 1
    if not total:
        raise UserError(f"{data}: no utterances")
    if wanted:
        raise UserError(f"{data}: no speaker {min(wanted)!r} there")
    return Pool(speakers, size, total)


def draw(pool: Pool, count: int, seed: int) -> Collection[int]:
    """Places in the pool of `count` utterances to hold out."""
    return range(count) if count == pool.size else set(random.Random(seed).sample(range(pool.size), count))


def write_part(data: Path, folder: Path, pool: Pool, places: Collection[int], held: bool) -> None:
    """Write the tables of the utterances at `places` of the pool.

    held=False: of the rest, which is all others, or where the pool is of some speakers, all of other speakers.
    """
    with ExitStack() as stack:
        files = {name: stack.enter_context(open(folder / name, "w", encoding="utf-8", newline="\n")) for name in TABLES}
        place = 0
        for utterance, row in utterances(data):
            pooled = not pool.speakers or row["utt2spk"] in pool.speakers
            chosen = pooled and place in places
            place += pooled
            if chosen if held else not chosen and not (pool.speakers and pooled):
                for name, file in files.items():
                    with naming(folder / name):
                        file.write(table_line(utterance, row[name]))
    write_spk2utt(folder)
