"""Watermarks: what is put into synthesized speech so that it can be told from recordings later."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry


class Watermark(Protocol):
    """Marks speech inaudibly, and tells marked speech from any other.

    It says where speech comes from; it keeps nothing secret. An instance is made from its options alone, and what one
    instance marks, another one with the same options detects.
    """

    name: str
    threshold: float
    """Speech of at least this score is marked."""

    def mark(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """(samples,) float32 at `sample_rate` Hz -> the same number of samples, float32, marked.

        Samples may come out above full scale. Silence stays silence where the mark lies under speech.
        """

    def detect(self, wav: np.ndarray, sample_rate: int) -> float:
        """How surely (samples,) float32 at `sample_rate` Hz are marked, a finite number also for no samples."""


class Marker(Protocol):
    """Marks one speech that comes in pieces."""

    def push(self, piece: np.ndarray) -> np.ndarray:
        """(samples,) float32 -> the marked samples, of this piece and of earlier ones, that are settled by now."""

    def finish(self) -> np.ndarray:
        """The marked samples that are left. Nothing is pushed after it."""


class StreamingWatermark(Watermark, Protocol):
    """A watermark that speech can get while it is made: streams need it."""

    def begin(self, sample_rate: int) -> Marker:
        """A marker whose pieces, put together, are sample for sample what `mark` makes of the whole."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

watermarks = Registry(
    "watermarks",
    {
        "spread_spectrum": "ellav.plugins.watermarks.spread_spectrum",
        "perth": "ellav.plugins.watermarks.perth",
    },
    CONTRACT,
)
