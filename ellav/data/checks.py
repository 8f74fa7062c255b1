"""What is wrong with a data folder: all of it, with file and line, before anything is computed."""

from __future__ import annotations

import math
import os
import stat
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from ellav.data.kaldi import BYTE_ORDER_MARK, invert
from ellav.data.sounds import PLACE
from ellav.text_files import probable_encoding

TABLES = ("wav.scp", "text", "utt2spk")


NOT_UTF8 = "not UTF-8"
AMBIGUOUS = "ids that stand twice with different values"
EMPTY = {"text": "an empty transcript", "wav.scp": "no file", "utt2spk": "no speaker"}


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


def folder_faults(folder: Path, allow_pipes: bool = False) -> list[Fault]:
    """Everything wrong with the tables of a folder and with the files that wav.scp names.

    allow_pipes: commands in wav.scp are none. The audio itself is not read.
    """
    if not folder.is_dir():
        return [Fault("missing folders", str(folder), "no such folder")]
    found: list[Fault] = []
    tables = {name: read_rows(folder / name, found) for name in table_names(folder)}
    spoken = "segments" if "segments" in tables else "wav.scp"
    for name, table in tables.items():
        found += [
            Fault(
                "lines without a value", f"{folder / name}:{row.number}", f"{key!r} has {EMPTY.get(name, 'no value')}"
            )
            for key, row in table.items()
            if not row.value and name != "targets"
        ]
    for first, second in ((spoken, "text"), ("text", spoken), (spoken, "utt2spk"), ("utt2spk", spoken)):
        found += [
            Fault(f"in {first} but not in {second}", f"{folder / first}:{row.number}", repr(key))
            for key, row in tables[first].items()
            if key not in tables[second]
        ]
    for key, row in tables["wav.scp"].items():
        problem = file_problem(row.value, allow_pipes) if row.value else None
        if problem:
            found.append(Fault("recordings", f"{folder}/wav.scp:{row.number}", f"{key!r}: {problem}"))
    for key, row in tables.get("segments", {}).items():
        problem = segment_problem(row.value, tables["wav.scp"])
        if problem:
            found.append(Fault("segments", f"{folder}/segments:{row.number}", f"{key!r}: {problem}"))
    for key, row in tables["utt2spk"].items():
        if not key.startswith(row.value):
            what = f"{key!r} does not begin with its speaker {row.value!r}"
            found.append(Fault("ids that do not begin with their speaker", f"{folder}/utt2spk:{row.number}", what))
    found += prompt_faults(folder, tables)
    if "spk2utt" in tables and not any(fault.where.startswith(f"{folder}/utt2spk") for fault in found):
        listed = {speaker: row.value.split() for speaker, row in tables["spk2utt"].items()}
        if listed != invert({key: row.value for key, row in tables["utt2spk"].items()}):
            found.append(Fault("spk2utt", f"{folder}/spk2utt", "does not follow from utt2spk"))
    return found


def prompt_faults(folder: Path, tables: dict[str, dict[str, Row]]) -> list[Fault]:
    """Utterances to be spoken, and prompts, that the set does not hold."""
    found = []
    for key, row in tables.get("targets", {}).items():
        if key not in tables["text"]:
            found.append(Fault("in targets but not in text", f"{folder}/targets:{row.number}", repr(key)))
    for key, row in tables.get("utt2prompt", {}).items():
        prompt, *span = row.value.split(" ") if row.value else [""]
        if prompt and prompt not in tables["text"]:
            what = f"{key!r} is prompted by {prompt!r}"
            found.append(Fault("prompts that are not in text", f"{folder}/utt2prompt:{row.number}", what))
        elif span and not _is_span(span):
            what = f"{key!r} is prompted by {row.value!r}, not PROMPT or PROMPT START END in seconds"
            found.append(Fault("parts of prompts that are none", f"{folder}/utt2prompt:{row.number}", what))
    return found


def _is_span(words: list[str]) -> bool:
    try:
        start, end = map(float, words)
    except ValueError:
        return False
    return 0 <= start < end < math.inf


def table_names(folder: Path) -> list[str]:
    """The tables of a folder: those it must have, and what else it has of Kaldi's."""
    others = sorted(path.name for kind in ("segments", "targets", "utt2*", "spk2*") for path in folder.glob(kind))
    return [*TABLES, *(name for name in others if name not in TABLES and "." not in name)]


def read_rows(path: Path, found: list[Fault]) -> dict[str, Row]:
    """The first line of each key, cleaned as `ellav data fix` does; what is wrong goes to `found`."""
    try:
        content = path.read_bytes()
    except OSError as error:
        found.append(Fault("missing files", str(path), error.strerror.lower().replace(" or directory", "")))
        return {}
    rows: dict[str, Row] = {}
    previous = b""
    for number, raw in enumerate(content.split(b"\n"), 1):
        where = f"{path}:{number}"
        key, value, faults = _cleaned(raw, number == 1, path.name == "wav.scp")
        if not key:
            continue
        found += [Fault(kind, where, f"{key!r}{more}", key) for kind, more in faults]
        if key in rows:
            kind = "ids that stand twice with one value" if value == rows[key].value else AMBIGUOUS
            found.append(Fault(kind, where, f"{key!r} stands in line {rows[key].number} too", key))
            continue
        if key.encode() < previous:
            found.append(Fault("out of order (sort with `LC_ALL=C sort`)", where, repr(key), key))
        previous = key.encode()
        rows[key] = Row(number, value)
    return rows


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


def file_problem(wav: str, allow_pipes: bool) -> str | None:
    """Why a value of wav.scp names no recording, if it does not."""
    if wav.endswith("|"):
        return None if allow_pipes else f"{wav!r} is a command; commands run only with --allow-pipes true"
    archived = PLACE.fullmatch(wav)
    try:
        status = os.stat(archived[1] if archived and not os.path.exists(wav) else wav)
    except OSError as error:
        return f"{wav}: {error.strerror.lower().replace(' or directory', '')}"
    except ValueError as error:  # a null byte
        return f"{wav!r}: {error}"
    if not stat.S_ISREG(status.st_mode):
        return f"{wav}: not a file"
    return None if status.st_size else f"{wav}: empty file"


def segment_problem(value: str, recordings: Iterable[str]) -> str | None:
    """Why a value of segments cuts nothing out of a recording, if it does not."""
    parts = value.split()
    try:
        recording, start, end = parts[0], float(parts[1]), float(parts[2])
    except (IndexError, ValueError):
        return f"{value!r} is not `recording start end` in seconds"
    if recording not in recordings:
        return f"recording {recording!r} is not in wav.scp"
    if not start >= 0 or (end >= 0 and not start < end):
        return f"from {start:g} s to {end:g} s is nothing"
    return None


def listing(faults: list[Fault], show: int) -> list[str]:
    """Lines that show the first `show` faults of each kind, and how many more there are."""
    totals = Counter(fault.kind for fault in faults)
    lines = []
    for kind, total in totals.items():
        lines.append(f"{kind}: {total}")
        some = [fault for fault in faults if fault.kind == kind][:show]
        lines += [f"  {fault.where}: {fault.what}" for fault in some]
        if total > show:
            lines.append(f"  and {total - show} more")
    return lines
