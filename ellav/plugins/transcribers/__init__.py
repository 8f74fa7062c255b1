"""Transcribers: what a recording says, for scorers and for prompts without a transcript."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ellav.plugins.registry import Registry


class Transcriber(Protocol):
    """Recognises speech. sample_rate: Hz of the audio it takes.

    One that knows how sure it is may have `transcribe_scored(wav) -> (words, confidence)` too, with a confidence of
    0 to 1: `ellav corpus librilight --least-confidence` filters by it.
    """

    name: str
    sample_rate: int

    def transcribe(self, wav: np.ndarray) -> str:
        """(samples,) float32 -> upper-case words separated by single spaces, maybe none."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

transcribers = Registry(
    "transcribers",
    {
        "pocketsphinx": "ellav.plugins.transcribers.pocketsphinx",
        "whisper": "ellav.plugins.transcribers.whisper",
    },
    CONTRACT,
)
