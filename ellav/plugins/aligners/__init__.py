"""Aligners: when each phone of an utterance ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry
from ellav.plugins.text import Phones


@dataclass(frozen=True)
class Alignment:
    """ends: (N,) float64 seconds at which each phone ends, non-decreasing; the last is the
    utterance's length. Silence the audio has but the text does not is part of the phone
    before it. score: mean log-likelihood per frame, for telling a wrong transcript."""

    ends: np.ndarray
    score: float


class Aligner(Protocol):
    """Aligns given pronunciations to audio, in process."""

    name: str
    phone_sets: tuple[str, ...]
    """The text front ends' `phone_set`s that it accepts."""
    sample_rate: int
    """Hz of the audio that `align` takes."""

    def align(self, wav: np.ndarray, phones: Phones) -> Alignment:
        """wav: (samples,) float32 at `sample_rate`. Raises AlignmentError if it does not fit."""


class AlignmentError(Exception):
    """This utterance cannot be aligned; the message says why. Its caller sets it aside."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

aligners = Registry("aligners", {"pocketsphinx": "ellav.plugins.aligners.pocketsphinx"}, CONTRACT)
