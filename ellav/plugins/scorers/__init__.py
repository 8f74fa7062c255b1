"""Scorers: one figure or several about each synthesized utterance."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry


@dataclass(frozen=True)
class Scored:
    """One utterance to score.

    wav: (samples,) float32 at `sample_rate`: what is judged (synthesized, recorded or
    resynthesized). text: what it should say. speaker: who it should sound like. facts:
    what decoding recorded (frames, phones, cuts, seconds spent, hit the bound), empty for
    speech that was not decoded.
    """

    id: str
    speaker: str
    text: str
    wav: np.ndarray
    sample_rate: int
    facts: dict = field(default_factory=dict)


class Scorer(Protocol):
    """Scores utterances. A metric of a set is `sum(numerators) / sum(denominators)`.

    metrics: the names it yields, each with a unit and whether higher is better.
    """

    name: str
    metrics: dict[str, str]
    """Metric name -> one line that says what it is and its unit."""

    def score(self, utterance: Scored) -> dict[str, tuple[float, float]]:
        """Metric name -> (numerator, denominator) of this utterance, for example
        (word errors, words). A metric that does not apply is left out."""


scorers = Registry(
    "scorers",
    {
        "wer": "ellav.plugins.scorers.wer",
        "similarity": "ellav.plugins.scorers.similarity",
        "stability": "ellav.plugins.scorers.stability",
        "rtf": "ellav.plugins.scorers.rtf",
    },
)
