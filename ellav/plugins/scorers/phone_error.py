"""Phone error rate by a recogniser that learned from the corpus itself: for languages that no recogniser knows."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.scorers.ctc import RATE, SHORTEST, Listener, heard, train
from ellav.types import SILENCE


@scorers.register("phone_error")
class PhoneError:
    """Substitutions, deletions and insertions in 100 phones, silence apart; a vowel in another tone is another phone.

    A small network learns by CTC which phones stage 3 found in the training set's recordings. It knows these
    speakers and sentences of this kind, not the language: read its figure beside that of the recorded speech and of
    the controls, and compare only models of the same corpus.

    minutes: of recordings that it learns from, at most. passes: over them. width: of its layers.
    """

    reads_text = True
    version = "1"

    def __init__(self, minutes: float = 30.0, passes: int = 25, width: int = 128):
        for name, value in (("minutes", minutes), ("passes", passes), ("width", width)):
            if not value > 0:
                raise UserError(f"scorer phone_error: option {name!r} must be above 0, not {value}")
        self.minutes, self.passes, self.width = minutes, passes, width
        self.enrolled: dict[str, np.ndarray] = {}
        self.metrics = {
            "phone_error": "phone error rate, %, as heard by a recogniser that learned from at most"
            f" {minutes:g} minutes of the training set's recordings"
        }
        self._last: tuple[np.ndarray | None, list[str]] = (None, [])

    def learn(self, recordings: Iterable[Scored]) -> dict[str, np.ndarray]:
        """The network's weights and its phones. Of recordings without phones nothing is learned."""
        rows, said, seconds = [], [], 0.0
        for one in recordings:
            phones = [phone for phone in one.phones if phone != SILENCE]
            made = heard(_at_rate(one))
            if not phones or len(made) < SHORTEST:
                continue
            rows.append(made)
            said.append(phones)
            seconds += len(one.wav) / one.sample_rate
            if seconds >= 60 * self.minutes:
                break
        return train(rows, said, self.width, self.passes) if rows else {}

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """`phone_error`: (100 x errors, phones). `phones_heard`: what was heard."""
        wanted = [phone for phone in utterance.phones if phone != SILENCE]
        if not wanted or not self.enrolled:
            return {}
        if self._last[0] is not utterance.wav:  # the same speech is scored with its own text and with another's
            self._last = (utterance.wav, self._listener(heard(_at_rate(utterance))))
        found = self._last[1]
        return {
            "phone_error": (100.0 * distance(wanted, found), float(len(wanted))),
            "phones_heard": " ".join(found),
        }

    @cached_property
    def _listener(self) -> Listener:
        return Listener(self.enrolled)


def distance(wanted: list[str], found: list[str]) -> int:
    """The least number of phones to change, remove and add that makes `wanted` of `found`."""
    row = list(range(len(found) + 1))
    for place, phone in enumerate(wanted, 1):
        before, row[0] = row[0], place
        for number, other in enumerate(found, 1):
            before, row[number] = row[number], min(row[number] + 1, row[number - 1] + 1, before + (phone != other))
    return row[-1]


def _at_rate(utterance: Scored) -> np.ndarray:
    if utterance.sample_rate == RATE or not len(utterance.wav):
        return utterance.wav
    import soxr

    return soxr.resample(utterance.wav, utterance.sample_rate, RATE)
