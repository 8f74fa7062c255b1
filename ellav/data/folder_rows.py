"""The utterances of a data folder, its tables read side by side, a line at a time."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterator
from operator import itemgetter
from pathlib import Path

from ellav.data.checks import TABLES
from ellav.data.copies import COPIES
from ellav.data.faults import side_by_side
from ellav.data.kaldi import odd_utterance, table_rows
from ellav.data.shards import tables_of
from ellav.errors import UserError


def utterances(data: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Each with its values in TABLES, in the order of ids. Raises UserError, at the end, where one is not in all."""
    first: dict[str, tuple[str, str]] = {}
    counts: Counter[str] = Counter()
    for utterance, row in side_by_side({name: in_order(data / name) for name in TABLES}):
        if len(row) == len(TABLES):
            yield utterance, row
            continue
        for name in TABLES[1:]:
            if (name in row) != ("wav.scp" in row):
                first.setdefault(name, (utterance, "wav.scp" if "wav.scp" in row else name))
                counts[name] += 1
    for name in TABLES[1:]:
        if name in first:
            raise odd_utterance(data, name, *first[name], counts[name])


def originals(data: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """`utterances` without the copies in other voices and at other speeds that stage 2 made of them."""
    table = data / COPIES
    copies = in_order(table) if table.exists() or tables_of(table) else iter(())
    for utterance, found in side_by_side({"row": utterances(data), COPIES: copies}):
        if "row" in found and COPIES not in found:
            yield utterance, found["row"]


def in_order(table: Path) -> Iterator[tuple[str, str]]:
    """The rows of a table, those of a set's shards sorted together. Raises UserError where two have one key."""
    previous = None
    for key, value in heapq.merge(*map(table_rows, tables_of(table) or [table]), key=itemgetter(0)):
        if key == previous:
            raise UserError(f"{table}: {key!r} stands in two shards; rerun the stage that makes them")
        yield key, value
        previous = key
