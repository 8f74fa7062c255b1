"""Aligners: when each phone of an utterance ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry
from ellav.plugins.text import Phones


@dataclass(frozen=True)
class Alignment:
    """ends: (N,) float64 seconds at which each phone ends, non-decreasing; the last is the
    utterance's length. Silence the audio has but the text does not is part of the phone
    before it. score: the log-likelihood per frame where it is worst, for telling a wrong transcript; NaN
    where the aligner has none. pauses: (N,) float64 seconds at the end of each phone that are such
    silence, 0 for `sp`; None where the aligner does not tell."""

    ends: np.ndarray
    score: float
    pauses: np.ndarray | None = None


class Aligner(Protocol):
    """Aligns given pronunciations to audio, in process.

    It may also have `least_score`: a prompt that scores below it probably has a wrong transcript.
    """

    name: str
    phone_sets: tuple[str, ...]
    """The text front ends' `phone_set`s that it accepts."""
    sample_rate: int
    """Hz of the audio that `align` takes."""

    def align(self, wav: np.ndarray, phones: Phones) -> Alignment:
        """wav: (samples,) float32 at `sample_rate`. Raises AlignmentError if it does not fit."""


@dataclass(frozen=True)
class Recording:
    """One utterance of a set: its audio file, which lasts `seconds`, its speaker and phones."""

    wav: Path
    seconds: float
    speaker: str
    phones: Phones


class SetAligner(Protocol):
    """Aligns a whole set at once, or reads alignments made elsewhere, by utterance id.

    It has `align_set` instead of `align`, so it cannot align a prompt at synthesis:
    `ellav pack` then takes another one, `--prompt-aligner`.
    """

    name: str
    phone_sets: tuple[str, ...]

    def align_set(
        self, recordings: dict[str, Recording], folder: Path, jobs: int
    ) -> Iterator[Alignment | AlignmentError]:
        """Yields for each recording, in order, its alignment, or why it has none.

        folder: for its own files; what it writes there is still there when an interrupted
        run is repeated, and is removed at the end. jobs: how many processes it may use.
        Raises UserError for what concerns the whole set.
        """


class TrainableAligner(Aligner, Protocol):
    """An aligner that learns from the training set (`ellav fit-aligner`), which has phones but no times."""

    def fit(self, recordings: dict[str, Recording], folder: Path) -> dict[str, Path]:
        """Learn, write files into `folder`, and return the options that name them.

        An option of the type Path names a file that a packed model carries along. What was
        named in the options already is kept: then nothing is learned, and {} comes back.
        Raises UserError where nothing can be learned.
        """


ANY = "any"
"""In `phone_sets`: whatever the text front end makes."""


def accepts(aligner: Aligner | SetAligner | type, phone_set: str) -> bool:
    """Whether an aligner, or its class, takes the phones of `phone_set`."""
    return phone_set in aligner.phone_sets or ANY in aligner.phone_sets


class AlignmentError(Exception):
    """This utterance cannot be aligned; the message says why. Its caller sets it aside."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

NAMES = ("pocketsphinx", "textgrid", "ctm", "mfa", "trained")
aligners = Registry("aligners", {name: f"ellav.plugins.aligners.{name}" for name in NAMES}, CONTRACT)
