"""Rows `KEY VALUE` of the tables of an indexed set, by their number, read when they are asked for."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ellav.data.files import Files, describe
from ellav.data.index import Index
from ellav.data.index_shard import EVERY
from ellav.errors import UserError

_AGAIN = "rerun stage 5 (tokens)"


class Rows:
    """The rows of a set. Safe after a fork and from threads."""

    def __init__(self, index: Index):
        self._index = index
        self._files = Files(_not_opened, self._check)

    def __len__(self) -> int:
        return len(self._index.lengths)

    def row(self, table: str, utterance: int) -> tuple[str, str]:
        """Key and value. Raises UserError where the table is not the one that was indexed."""
        path, line, begin, end = self._index.place(table, utterance)
        rows = self._files.read(path, end - begin, begin).split(b"\n")
        if len(rows) < line % EVERY + 2:
            raise _changed(path)
        return _parsed(rows[line % EVERY], path, line)

    def value(self, table: str, utterance: int, key: str) -> str:
        """The value of the row that has this key. Raises UserError naming file and line where another stands there."""
        found, value = self.row(table, utterance)
        if found != key:
            path, line, _, _ = self._index.place(table, utterance)
            raise UserError(f"{path}:{line + 1}: {found!r} stands where {key!r} should; {_AGAIN}")
        return value

    def _check(self, path: str, descriptor: int) -> None:
        """A file that is replaced later stays as it is for those who have it open."""
        if describe(os.fstat(descriptor)) != self._index.files[os.path.relpath(path, self._index.folder)]:
            raise _changed(path)

    def all(self, table: str) -> Iterator[tuple[str, str]]:
        """Key and value of each row, in order."""
        for folder in self._index.folders:
            with open(folder / table, "rb") as stream:
                self._check(str(folder / table), stream.fileno())
                for line, row in enumerate(stream):
                    yield _parsed(row.rstrip(b"\n"), folder / table, line)


class Column(Sequence):
    """The keys or the values of a table, as a sequence of str that holds none of them."""

    def __init__(self, rows: Rows, table: str, key: bool = False):
        self._rows, self._table, self._which = rows, table, 0 if key else 1

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, number: int) -> str:
        return self._rows.row(self._table, range(len(self))[number])[self._which]

    def __iter__(self) -> Iterator[str]:
        return (row[self._which] for row in self._rows.all(self._table))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None


def _parsed(row: bytes, path: Path, line: int) -> tuple[str, str]:
    try:
        key, _, value = row.decode().partition(" ")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}:{line + 1}: not UTF-8: byte {error.start + 1} of the line; {_AGAIN}") from None
    return key, value


def _changed(path: Path | str) -> UserError:
    return UserError(f"{path}: changed since the set was opened; begin again when it is complete")


def _not_opened(path: str, error: OSError) -> UserError:
    return UserError(f"{path}: {error.strerror.lower()}; run stage 5 (tokens) again")
