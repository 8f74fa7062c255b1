"""Data folders mended as far as that is possible without guessing."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ellav.data.checks import (
    AMBIGUOUS,
    EMPTY,
    NOT_UTF8,
    TABLES,
    Fault,
    file_problem,
    read_rows,
    segment_problem,
    table_names,
)
from ellav.data.kaldi import invert, write_table

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


def repair(folder: Path, allow_pipes: bool = False, ascii_quotes: bool = False) -> Repaired:
    """The utterances of a folder that have audio, text and speaker, in clean tables.

    Sorts; composes characters (NFC); removes byte order marks, CR, odd white space and
    lines that stand twice. An utterance with several different values, bytes that are not
    UTF-8, or something missing is dropped. Further utt2* and spk2* tables are kept.
    ascii_quotes: make the quotation marks and apostrophes of `text` ASCII.
    """
    found: list[Fault] = []
    rows = {name: read_rows(folder / name, found) for name in table_names(folder)}
    tables = {name: {key: row.value for key, row in table.items()} for name, table in rows.items()}
    unclear = {(Path(fault.where).name.partition(":")[0], fault.key): fault.kind for fault in found}
    spoken = "segments" if "segments" in tables else "wav.scp"
    needed = [spoken, *TABLES[1:]]

    def problem(utterance: str) -> str | None:
        for name in needed:
            if utterance not in tables[name]:
                return f"not in {name}"
            if unclear.get((name, utterance)) in (AMBIGUOUS, NOT_UTF8):
                return f"in {name}: {unclear[name, utterance]}"
            if not tables[name][utterance]:
                return f"has {EMPTY.get(name, 'no value')}"
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
