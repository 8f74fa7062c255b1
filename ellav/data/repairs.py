"""Data folders mended as far as that is possible without guessing."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from ellav.data.checks import EMPTY, TABLES, file_problem, segment_problem, table_names
from ellav.data.faults import AMBIGUOUS, NOT_UTF8, Fault, Row, UnsortedError, read_rows, rows_in_order, side_by_side
from ellav.data.kaldi import invert, table_line, write_table
from ellav.data.sorting import write_spk2utt

ASCII_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»″", '"') | dict.fromkeys("‘’‚‛ʼ′", "'"))


class Repaired(NamedTuple):
    """Tables as they can be written, and the utterances left out with the reasons."""

    tables: dict[str, dict[str, str]]
    dropped: dict[str, str]

    def write(self, folder: Path) -> None:
        """Write the tables, spk2utt, and `dropped` with the reasons."""
        for name, table in self.tables.items():
            write_table(folder / name, table)
        in_order = {u: self.tables["utt2spk"][u] for u in sorted(self.tables["utt2spk"], key=str.encode)}
        write_table(folder / "spk2utt", invert(in_order))
        write_table(folder / "dropped", self.dropped)


def mend(folder: Path, out: Path, allow_pipes: bool = False, ascii_quotes: bool = False) -> None:
    """Write what `repair` makes of a folder into `out`; of sorted tables a line at a time, whatever their size."""
    try:
        mend_side_by_side(folder, out, allow_pipes, ascii_quotes)
    except UnsortedError:
        repair(folder, allow_pipes, ascii_quotes).write(out)


def mend_side_by_side(folder: Path, out: Path, allow_pipes: bool = False, ascii_quotes: bool = False) -> None:
    """Raises UnsortedError where a table is not sorted, or where there are segments."""
    names = table_names(folder)
    if "segments" in names:
        raise UnsortedError
    unclear = Unclear()
    own = [name for name in names if not name.startswith("spk2")]
    tables = {name: rows_in_order(folder / name, unclear) for name in own}
    with ExitStack() as stack:
        streams = {
            name: stack.enter_context(open(out / name, "w", encoding="utf-8", newline="\n"))
            for name in [*own, "dropped"]
        }
        for key, rows in side_by_side(tables):
            if not any(name in rows for name in TABLES):
                continue
            reason = _problem(rows, TABLES, unclear.kinds.pop(key, {})) or file_problem(
                rows["wav.scp"].value, allow_pipes
            )
            if reason:
                streams["dropped"].write(table_line(key, reason))
                continue
            for name, row in rows.items():
                value = row.value.translate(ASCII_QUOTES) if ascii_quotes and name == "text" else row.value
                streams[name].write(table_line(key, value))
    for name in names:
        if name.startswith("spk2") and name != "spk2utt":
            write_table(out / name, {key: row.value for key, row in rows_in_order(folder / name, unclear)})
    write_spk2utt(out)


class Unclear:
    """Takes faults, and keeps for each key the tables in which it is no good: kinds, key -> table -> kind."""

    def __init__(self):
        self.kinds: dict[str, dict[str, str]] = {}

    def append(self, fault: Fault) -> None:
        """One more."""
        if fault.kind in (AMBIGUOUS, NOT_UTF8):
            self.kinds.setdefault(fault.key, {})[_table_of(fault)] = fault.kind

    def extend(self, faults: Iterable[Fault]) -> None:
        """Several."""
        for fault in faults:
            self.append(fault)


def _table_of(fault: Fault) -> str:
    return Path(fault.where).name.partition(":")[0]


def _problem(rows: dict[str, Row], needed: Iterable[str], unclear: dict[str, str]) -> str | None:
    """Why an utterance cannot be kept, if its rows are the reason. unclear: the tables in which it is no good."""
    for name in needed:
        if name not in rows:
            return f"not in {name}"
        if name in unclear:
            return f"in {name}: {unclear[name]}"
        if not rows[name].value:
            return f"has {EMPTY.get(name, 'no value')}"
    return None


def repair(folder: Path, allow_pipes: bool = False, ascii_quotes: bool = False) -> Repaired:
    """The utterances of a folder that have audio, text and speaker, in clean tables.

    Sorts; composes characters (NFC); removes byte order marks, CR, odd white space and
    lines that stand twice. An utterance with several different values, bytes that are not
    UTF-8, or something missing is dropped. Further utt2* and spk2* tables are kept.
    ascii_quotes: make the quotation marks and apostrophes of `text` ASCII.
    """
    unclear = Unclear()
    rows = {name: read_rows(folder / name, unclear) for name in table_names(folder)}
    tables = {name: {key: row.value for key, row in table.items()} for name, table in rows.items()}
    spoken = "segments" if "segments" in tables else "wav.scp"
    needed = [spoken, *TABLES[1:]]

    def problem(utterance: str) -> str | None:
        own = {name: rows[name][utterance] for name in needed if utterance in rows[name]}
        reason = _problem(own, needed, unclear.kinds.get(utterance, {}))
        if reason:
            return reason
        recording = utterance
        if spoken == "segments":
            reason = segment_problem(tables["segments"][utterance], tables["wav.scp"])
            if reason:
                return reason
            recording = tables["segments"][utterance].split()[0]
        return file_problem(tables["wav.scp"][recording], allow_pipes)

    reasons = {utterance: problem(utterance) for utterance in dict.fromkeys(u for n in needed for u in tables[n])}
    dropped = {utterance: reason for utterance, reason in reasons.items() if reason}
    kept = {utterance for utterance, reason in reasons.items() if not reason}
    if ascii_quotes:
        tables["text"] = {key: value.translate(ASCII_QUOTES) for key, value in tables["text"].items()}
    recordings = {tables["segments"][u].split()[0] for u in kept} if spoken == "segments" else kept
    made = {}
    for name, table in tables.items():
        if name == "spk2utt":
            continue
        wanted = recordings if name == "wav.scp" else None if name.startswith("spk2") else kept
        made[name] = {key: value for key, value in table.items() if wanted is None or key in wanted}
    return Repaired(made, dropped)
