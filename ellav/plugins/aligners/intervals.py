"""Phones with times, made elsewhere, as the times of our phones."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.errors import UserError
from ellav.plugins.aligners import Alignment, AlignmentError
from ellav.plugins.text import Phones
from ellav.text_files import read_text
from ellav.types import SILENCE

SILENCES = ("", "sil", "sp", "nsn", "pau", "silence", "<eps>", "<sil>", "_", "#")
"""Labels of what is no phone, in any case of letters."""
UNKNOWN = ("spn", "<unk>")
"""Labels in place of a word whose phones the aligner did not know, as MFA and Kaldi write them."""
MARKS = str.maketrans("", "", "ˈˌːˑ\u0361\u035c\u0329\u032f")
"""Stress, length, ties, syllabic and not: what transcriptions of the same phone differ by."""
SLACK = 0.1  # s, by which an alignment may end after its audio
OVERLAP = 0.01  # s, by which phones may overlap: what rounding start and length to hundredths brings about


class Interval(NamedTuple):
    """A label from start to end, in seconds."""

    start: float
    end: float
    label: str


class Matching:
    """Which labels are silence and which are our phones.

    silences: further labels of silence; `spn` may be one, which otherwise says that the aligner did not know a word,
    and sets the utterance aside. phone_map: a file with lines `THEIRS OURS`. Otherwise a label is a phone of ours if
    both are equal, or equal without the marks of stress and length (`AH0` and `AH`, `iː` and `i`).
    """

    def __init__(self, silences: Iterable[str] = (), phone_map: Path | None = None):
        self.silences = {label.casefold() for label in (*SILENCES, *silences)}
        self.map = read_map(phone_map) if phone_map else {}

    def align(self, intervals: Iterable[Interval], phones: Phones, seconds: float) -> Alignment:
        """The times of our phones. Where two overlap by no more than OVERLAP, the first ends where the second starts.

        Raises AlignmentError naming the first that differs, and its time.
        """
        own = set(phones.phones) - {SILENCE}  # a piece of a word may look like a label of silence
        found = [i for i in intervals if i.label in own or i.label.casefold() not in self.silences]
        places = [place for place, phone in enumerate(phones.phones) if phone != SILENCE]
        for number, interval in enumerate(found):
            if interval.label not in own and self.map.get(interval.label, interval.label).casefold() in UNKNOWN:
                raise AlignmentError(_unknown(phones, next(iter(places[number:]), None), interval))
            if number == len(places):
                raise AlignmentError(
                    f"the alignment has {interval.label!r} at {interval.start:.2f} s after our last phone"
                )
            if not self._same(interval.label, phones.phones[places[number]]):
                raise AlignmentError(
                    f"{_name(phones, places[number])} is {interval.label!r} at {interval.start:.2f} s of the alignment"
                )
        if len(found) < len(places):
            raise AlignmentError(f"{_name(phones, places[len(found)])} is missing: the alignment ends before it")
        ends = _ends(phones, places, found, seconds)
        pauses = np.zeros(len(ends))
        spoken = np.array([min(interval.end, seconds) for interval in found])
        pauses[places] = np.maximum(ends[places] - spoken, 0.0)
        return Alignment(ends, math.nan, pauses)

    def _same(self, theirs: str, ours: str) -> bool:
        theirs = self.map.get(theirs, theirs)
        return theirs == ours or _plain(theirs) == _plain(ours)


def read_map(path: Path) -> dict[str, str]:
    """Label -> our phone. Raises UserError naming file and line."""
    try:
        lines = read_text(path).splitlines()
    except OSError as error:
        raise UserError(f"{path}: not readable: {error}") from None
    found = {}
    for number, line in enumerate(lines, 1):
        fields = line.split()
        if fields and len(fields) != 2:
            raise UserError(f"{path}:{number}: expected 'THEIRS OURS', found {line!r}")
        if fields:
            found[fields[0]] = fields[1]
    return found


def _ends(phones: Phones, places: list[int], found: list[Interval], seconds: float) -> np.ndarray:
    """(N,) seconds. Silence between two phones is our `sp`'s if there is one, else of the phone before."""
    ends = np.full(len(phones.phones), seconds, dtype=np.float64)
    previous = Interval(0.0, 0.0, "")
    for number, (place, interval) in enumerate(zip(places, found, strict=True)):
        if interval.end < interval.start:
            raise AlignmentError(
                f"{_name(phones, place)} ends at {interval.end:.3f} s, before its start at {interval.start:.3f} s"
            )
        if interval.start < max(previous.start, previous.end - OVERLAP - 1e-6):
            end = f"{_name(phones, places[number - 1])} ends" if number else "the audio begins"
            raise AlignmentError(
                f"{_name(phones, place)} starts at {interval.start:.3f} s, before {end} at {previous.end:.3f} s"
            )
        if interval.end > seconds + SLACK:
            raise AlignmentError(f"{_name(phones, place)} ends at {interval.end:.2f} s, the audio at {seconds:.2f} s")
        if number:
            ends[places[number - 1]] = min(ends[places[number - 1]], interval.start)
        if place > 0:
            ends[place - 1] = interval.start
        following = places[number + 1] if number + 1 < len(places) else len(ends)
        if place + 1 < following:
            ends[place] = interval.end
        previous = interval
    return np.maximum.accumulate(np.minimum(ends, seconds))


def _name(phones: Phones, place: int) -> str:
    """A phone as its owner finds it: number, symbol and word."""
    word = phones.words[phones.word_of_phone[place]]
    return f"phone {place + 1}, {phones.phones[place]!r} of {word!r},"


def _unknown(phones: Phones, place: int | None, interval: Interval) -> str:
    """place: of our phone that was to come; None after the last."""
    word = "after our last word" if place is None else f"at {phones.words[phones.word_of_phone[place]]!r}"
    return (
        f"the alignment has {interval.label!r} from {interval.start:.2f} to {interval.end:.2f} s, {word}: its aligner"
        " did not know the word spoken there; add that to the aligner's dictionary and align again, or, where the"
        f" label means no speech, name it among the silences (silences={interval.label})"
    )


def _plain(label: str) -> str:
    label = unicodedata.normalize("NFD", label).translate(MARKS)
    return label[:-1] if re.fullmatch("[A-Z]+[0-2]", label) else label
