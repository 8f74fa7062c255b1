"""Scorers: one figure or several about each synthesized utterance."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry


@dataclass(frozen=True)
class Scored:
    """One utterance to score.

    wav: (samples,) float32 at `sample_rate`: what is judged (synthesized, recorded or
    resynthesized). text: the normalised words it should say, separated by spaces. speaker:
    who it should sound like. prompt: (samples,) float32 of the speech that it was
    prompted with, if any. facts: what decoding recorded (frames, phones, cuts, seconds spent, hit the
    bound), empty for speech that was not decoded. given: samples at the beginning of `wav` that were
    the prompt (continuation), 0 otherwise. phones: those that stage 3 made of its text, silence among them; empty where
    they are not known.
    """

    id: str
    speaker: str
    text: str
    wav: np.ndarray
    sample_rate: int
    prompt: np.ndarray | None = None
    facts: dict = field(default_factory=dict)
    given: int = 0
    phones: tuple[str, ...] = ()


class Scorer(Protocol):
    """Scores utterances. A metric of a set is `sum(numerators) / sum(denominators)`.

    An instance is made in each of several processes: what is heavy is loaded at its first use.
    """

    name: str
    metrics: dict[str, str]
    """Metric name -> one line that says what it is and its unit."""
    reads_text: bool
    """Whether it compares with `Scored.text`. Then it is also given two controls: the
    synthesized speech with another utterance's text, and silence."""
    reads_prompt: bool
    """Whether it compares with `Scored.prompt`; False where it is left out. Then it is also given a
    control: recorded speech of another speaker with this utterance's prompt."""

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """Metric name -> (numerator, denominator) of this utterance, for example
        (word errors, words). A metric that does not apply is left out. Under any other name,
        a string: a remark for the table of single utterances, for example what was heard."""


class EnrollingScorer(Scorer, Protocol):
    """A scorer that compares with recordings of the speakers.

    `enroll` is called once; what it returns is then set as `enrolled` in every process.
    """

    enrolled: dict[str, np.ndarray]

    def enroll(self, recordings: Iterable[Scored]) -> dict[str, np.ndarray]:
        """Named arrays of numbers or strings made from recordings of all known speakers."""


class LearningScorer(Scorer, Protocol):
    """A scorer that learns from the training set.

    `learn` is called once; what it returns is then set as `enrolled` in every process.
    """

    enrolled: dict[str, np.ndarray]

    def learn(self, recordings: Iterable[Scored]) -> dict[str, np.ndarray]:
        """Named arrays of numbers or strings made from recordings of the training set, with their phones.

        They come in a random order, the same each time; take as many as are needed.
        """


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

scorers = Registry(
    "scorers",
    {
        "wer": "ellav.plugins.scorers.wer",
        "similarity": "ellav.plugins.scorers.similarity",
        "stability": "ellav.plugins.scorers.stability",
        "phone_error": "ellav.plugins.scorers.phone_error",
        "rtf": "ellav.plugins.scorers.rtf",
        "dnsmos": "ellav.plugins.scorers.dnsmos",
    },
    CONTRACT,
)
