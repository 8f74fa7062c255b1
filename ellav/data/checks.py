"""What is wrong with a data folder: all of it, with file and line, before anything is computed."""

from __future__ import annotations

import math
import os
import stat
from collections.abc import Collection, Iterator
from pathlib import Path

from ellav.data.faults import Fault, Faults, Row, UnsortedError, read_rows, rows_in_order, side_by_side
from ellav.data.kaldi import invert
from ellav.data.sounds import PLACE

TABLES = ("wav.scp", "text", "utt2spk")
EMPTY = {"text": "an empty transcript", "wav.scp": "no file", "utt2spk": "no speaker"}


def folder_faults(folder: Path, allow_pipes: bool = False) -> Faults:
    """Everything wrong with the tables of a folder and with the files that wav.scp names.

    allow_pipes: commands in wav.scp are none. The audio itself is not read. Sorted tables are read side by side, a line
    at a time, whatever their size; those that are not, or that belong to a test set, are held in memory.
    """
    found = Faults()
    if not folder.is_dir():
        found.append(Fault("missing folders", str(folder), "no such folder"))
        return found
    names = table_names(folder)
    try:
        if {"targets", "utt2prompt"} & set(names):
            raise UnsortedError
        check_side_by_side(folder, names, allow_pipes, found)
    except UnsortedError:
        found = Faults()
        check_in_memory(folder, names, allow_pipes, found)
    return found


def check_in_memory(folder: Path, names: list[str], allow_pipes: bool, found: Faults) -> None:
    """What is wrong with tables in any order."""
    tables = {name: read_rows(folder / name, found) for name in names}
    spoken = "segments" if "segments" in tables else "wav.scp"
    for name, table in tables.items():
        if name != "targets":
            found.extend(_no_value(folder / name, key, row) for key, row in table.items() if not row.value)
    for first, second in _pairs(spoken):
        for key, row in tables[first].items():
            if key not in tables[second]:
                found.append(_missing(folder, first, second, key, row))
    for key, row in tables["wav.scp"].items():
        found.extend(_recording_faults(folder, key, row, allow_pipes))
    for key, row in tables.get("segments", {}).items():
        found.extend(_segment_faults(folder, key, row, tables["wav.scp"]))
    for key, row in tables["utt2spk"].items():
        found.extend(_speaker_faults(folder, key, row))
    found.extend(prompt_faults(folder, tables))
    if "spk2utt" in tables:
        listed = {speaker: row.value.split() for speaker, row in tables["spk2utt"].items()}
        own = invert({key: row.value for key, row in tables["utt2spk"].items()})
        found.extend(_inverse_faults(folder, listed == own, found))


def check_side_by_side(folder: Path, names: list[str], allow_pipes: bool, found: Faults) -> None:
    """What is wrong with sorted tables. Raises UnsortedError where one is not."""
    spoken = "segments" if "segments" in names else "wav.scp"
    recordings = set()
    for name in names:
        if name in (spoken, "text", "utt2spk"):
            continue
        for key, row in rows_in_order(folder / name, found):
            if not row.value:
                found.append(_no_value(folder / name, key, row))
            if name == "wav.scp":
                recordings.add(key)
                found.extend(_recording_faults(folder, key, row, allow_pipes))
    own: dict[str, int] = {}
    tables = {name: rows_in_order(folder / name, found) for name in (spoken, "text", "utt2spk")}
    for key, rows in side_by_side(tables):
        found.extend(_no_value(folder / name, key, row) for name, row in rows.items() if not row.value)
        for first, second in _pairs(spoken):
            if first in rows and second not in rows:
                found.append(_missing(folder, first, second, key, rows[first]))
        if spoken in rows and spoken == "wav.scp":
            found.extend(_recording_faults(folder, key, rows[spoken], allow_pipes))
        elif spoken in rows:
            found.extend(_segment_faults(folder, key, rows[spoken], recordings))
        if "utt2spk" in rows:
            found.extend(_speaker_faults(folder, key, rows["utt2spk"]))
            own[rows["utt2spk"].value] = hash((own.get(rows["utt2spk"].value, 0), key))
    if "spk2utt" in names:
        listed = {}
        for speaker, row in rows_in_order(folder / "spk2utt", []):
            listed[speaker] = 0
            for utterance in row.value.split():
                listed[speaker] = hash((listed[speaker], utterance))
        found.extend(_inverse_faults(folder, listed == own, found))


def _pairs(spoken: str) -> tuple[tuple[str, str], ...]:
    """Tables whose utterances must be in another one too."""
    return ((spoken, "text"), ("text", spoken), (spoken, "utt2spk"), ("utt2spk", spoken))


def _no_value(table: Path, key: str, row: Row) -> Fault:
    what = f"{key!r} has {EMPTY.get(table.name, 'no value')}"
    return Fault("lines without a value", f"{table}:{row.number}", what)


def _missing(folder: Path, first: str, second: str, key: str, row: Row) -> Fault:
    return Fault(f"in {first} but not in {second}", f"{folder / first}:{row.number}", repr(key))


def _recording_faults(folder: Path, key: str, row: Row, allow_pipes: bool) -> Iterator[Fault]:
    problem = file_problem(row.value, allow_pipes) if row.value else None
    if problem:
        yield Fault("recordings", f"{folder}/wav.scp:{row.number}", f"{key!r}: {problem}")


def _segment_faults(folder: Path, key: str, row: Row, recordings: Collection[str]) -> Iterator[Fault]:
    problem = segment_problem(row.value, recordings)
    if problem:
        yield Fault("segments", f"{folder}/segments:{row.number}", f"{key!r}: {problem}")


def _speaker_faults(folder: Path, key: str, row: Row) -> Iterator[Fault]:
    if not key.startswith(row.value):
        what = f"{key!r} does not begin with its speaker {row.value!r}"
        yield Fault("ids that do not begin with their speaker", f"{folder}/utt2spk:{row.number}", what)


def _inverse_faults(folder: Path, is_inverse: bool, found: Faults) -> Iterator[Fault]:
    if not is_inverse and f"{folder}/utt2spk" not in found.tables:
        yield Fault("spk2utt", f"{folder}/spk2utt", "does not follow from utt2spk")


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


def segment_problem(value: str, recordings: Collection[str]) -> str | None:
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
