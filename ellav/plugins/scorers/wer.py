"""Word error rate by a transcriber."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

import numpy as np

from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.transcribers import transcribers


@scorers.register("wer")
class WordErrorRate:
    """Substitutions, deletions and insertions in 100 words, summed over the set.

    transcriber, transcriber_conf: who listens, and its options. Always to be read beside the
    same figure of the recorded speech: it measures the transcriber too.
    """

    metrics: ClassVar[dict[str, str]] = {"wer": "word error rate, %"}
    reads_text = True

    def __init__(self, transcriber: str = "pocketsphinx", transcriber_conf: dict | None = None):
        self._name = transcriber
        self._options = transcriber_conf or {}
        self._last: tuple[np.ndarray | None, str] = (None, "")

    @cached_property
    def _transcriber(self):
        return transcribers.create(self._name, self._options)

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """`wer`: (100 x errors, words). `heard`: the transcript."""
        import jiwer

        heard = self._hear(utterance)
        words = " ".join(utterance.text.upper().split())
        if not words:
            return {"heard": heard}
        counts = jiwer.process_words(words, heard)
        errors = counts.substitutions + counts.deletions + counts.insertions
        return {"wer": (100.0 * errors, float(len(words.split()))), "heard": heard}

    def _hear(self, utterance: Scored) -> str:
        # The same speech is scored with its own text and with another's, one after the other.
        if self._last[0] is not utterance.wav:
            wav = utterance.wav
            if len(wav) and utterance.sample_rate != self._transcriber.sample_rate:
                import soxr

                wav = soxr.resample(wav, utterance.sample_rate, self._transcriber.sample_rate)
            self._last = (utterance.wav, self._transcriber.transcribe(wav))
        return self._last[1]
