"""The list `english_readings.tsv`: what people type, and how it is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.text.english import PAUSE

NUMBER_WORD = "one|two|three|four|five|six|seven|eight|nine|ten|[a-z]+teen|eleven|twelve|[a-z]+ty"


def read_list() -> dict[str, list[str]]:
    """Text -> its accepted readings, in the order of the file."""
    return {written: readings for _, written, readings in rows()}


def rows() -> list[tuple[str, str, list[str]]]:
    """Kind, text and accepted readings of each line."""
    found, kind = [], ""
    for line in Path(__file__).with_suffix(".tsv").read_text(encoding="utf-8").splitlines():
        if line.startswith(";;;"):
            kind = line[3:].strip()
        elif line:
            written, *readings = line.split("\t")
            found.append((kind, written.replace("\\n", "\n"), readings))
    return found


def heard(words: list[str]) -> str:
    """Words as one hears them: without pauses and case (A alone is a letter, a the article), and without the `and`
    that some say within a number."""
    line = " ".join(word if word[0] == "A" else word.lower() for word in words if word != PAUSE)
    return re.sub(rf"\b(hundred|thousand) and (?=({NUMBER_WORD})\b)", r"\1 ", line)


def wrong(read: Callable[[str], list[str]], readings: dict[str, list[str]]) -> dict[str, str | None]:
    """The lines that `read` (text -> words) reads otherwise than is accepted: how, None where it refuses."""
    found = {}
    for written, accepted in readings.items():
        try:
            said = heard(read(written))
        except UserError:
            said = None
        if said not in [heard(reading.split()) for reading in accepted]:
            found[written] = said
    return found
