"""Tables as people write them, read a line at a time, and what is wrong with their lines."""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple, Protocol, TypeVar

from ellav.data.kaldi import BYTE_ORDER_MARK
from ellav.text_files import probable_encoding

T = TypeVar("T")

NOT_UTF8 = "not UTF-8"
AMBIGUOUS = "ids that stand twice with different values"


class Fault(NamedTuple):
    """Something wrong: `kind` is what such faults are listed under, `where` a file or file:line,
    `key` the id in that line."""

    kind: str
    where: str
    what: str
    key: str = ""


class Row(NamedTuple):
    """A line of a table: where it stands, and what follows its key."""

    number: int
    value: str


class Taker(Protocol):
    """What faults are put into: a list, for example."""

    def append(self, fault: Fault, /) -> None:
        """One more."""

    def extend(self, faults: Iterable[Fault], /) -> None:
        """Several."""


class Faults:
    """Faults as they are found: how many of each kind, and the first KEPT of these, so that memory does not grow with
    them. tables: the files that they are in."""

    KEPT = 1000

    def __init__(self):
        self.counts: Counter[str] = Counter()
        self.first: dict[str, list[Fault]] = {}
        self.tables: set[str] = set()

    def __len__(self) -> int:
        return self.counts.total()

    def append(self, fault: Fault) -> None:
        """One more."""
        self.counts[fault.kind] += 1
        self.tables.add(re.sub(r":\d+$", "", fault.where))
        kept = self.first.setdefault(fault.kind, [])
        if len(kept) < self.KEPT:
            kept.append(fault)

    def extend(self, faults: Iterable[Fault]) -> None:
        """Several."""
        for fault in faults:
            self.append(fault)


def listing(faults: Faults, show: int) -> list[str]:
    """Lines that show the first `show` faults of each kind, and how many more there are."""
    lines = []
    for kind, total in faults.counts.items():
        lines.append(f"{kind}: {total}")
        some = faults.first[kind][:show]
        lines += [f"  {fault.where}: {fault.what}" for fault in some]
        if total > len(some):
            lines.append(f"  and {total - len(some)} more")
    return lines


def read_rows(path: Path, found: Taker) -> dict[str, Row]:
    """The first line of each key, cleaned as `ellav data fix` does; what is wrong goes to `found`."""
    rows: dict[str, Row] = {}
    previous = b""
    for key, row in read_lines(path, found):
        if key in rows:
            found.append(_twice(path, key, row, rows[key]))
            continue
        if key.encode() < previous:
            found.append(Fault("out of order (sort with `LC_ALL=C sort`)", f"{path}:{row.number}", repr(key), key))
        previous = key.encode()
        rows[key] = row
    return rows


class UnsortedError(Exception):
    """A table that cannot be read side by side with others."""


def rows_in_order(path: Path, found: Taker) -> Iterator[tuple[str, Row]]:
    """As `read_rows`, a line at a time. Raises UnsortedError at the first that is out of order."""
    before, kept = "", None
    for key, row in read_lines(path, found):
        if key == before and kept is not None:
            found.append(_twice(path, key, row, kept))
            continue
        if key.encode() < before.encode():
            raise UnsortedError
        before, kept = key, row
        yield key, row


def side_by_side(tables: dict[str, Iterator[tuple[str, T]]]) -> Iterator[tuple[str, dict[str, T]]]:
    """Each key of sorted tables with its row in each that has it."""

    def named(name: str) -> Iterator[tuple[bytes, str, str, T]]:
        for key, row in tables[name]:
            yield key.encode(), key, name, row

    merged = heapq.merge(*map(named, tables), key=itemgetter(0))
    for _, rows in groupby(merged, key=itemgetter(0)):
        these = list(rows)
        yield these[0][1], {name: row for _, _, name, row in these}


def read_lines(path: Path, found: Taker) -> Iterator[tuple[str, Row]]:
    """Key and row of each line that is not empty, cleaned as `ellav data fix` does; what is wrong goes to `found`."""
    try:
        stream = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        found.append(Fault("missing files", str(path), error.strerror.lower().replace(" or directory", "")))
        return
    with stream:
        for number, raw in enumerate(stream, 1):
            key, value, faults = _cleaned(raw.removesuffix(b"\n"), number == 1, path.name == "wav.scp")
            if not key:
                continue
            found.extend(Fault(kind, f"{path}:{number}", f"{key!r}{more}", key) for kind, more in faults)
            yield key, Row(number, value)


def _twice(path: Path, key: str, row: Row, first: Row) -> Fault:
    kind = "ids that stand twice with one value" if row.value == first.value else AMBIGUOUS
    return Fault(kind, f"{path}:{row.number}", f"{key!r} stands in line {first.number} too", key)


def _cleaned(raw: bytes, first: bool, names_file: bool) -> tuple[str, str, list[tuple[str, str]]]:
    """Key and value of a line as they should stand, and (kind, what more) of what is wrong.

    names_file: the value is a path, which is not normalised: the file is called as it is.
    """
    faults = []
    try:
        line = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw.decode("utf-8", errors="replace")
        mend = f"convert the file, probably with `iconv -f {probable_encoding(raw)} -t UTF-8`"
        faults.append((NOT_UTF8, f": byte {error.start + 1} of the line; {mend}"))
    if first and line.startswith(BYTE_ORDER_MARK):
        line = line.removeprefix(BYTE_ORDER_MARK)
        faults.append(("byte order marks", ""))
    if line.endswith("\r"):
        line = line.removesuffix("\r")
        faults.append(("lines that end in CR LF", ""))
    parts = [part.strip() for part in line.split(maxsplit=1)] or [""]
    if " ".join(parts) != line and parts[0]:
        faults.append(("white space at an end, doubled, or a tab after the id", ""))
    normal = [unicodedata.normalize("NFC", part) for part in parts]
    if names_file:
        normal[1:] = parts[1:]
    if normal != parts:
        faults.append(("characters not in normal form (Unicode NFC)", ""))
    return normal[0], " ".join(normal[1:]), faults
