"""Word error rate by a transcriber."""

from __future__ import annotations

from functools import cached_property
from typing import Literal

import numpy as np

from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.scorers.normalizers import NORMALIZERS
from ellav.plugins.transcribers import transcribers


@scorers.register("wer")
class WordErrorRate:
    """Substitutions, deletions and insertions in 100 words, summed over the set.

    transcriber, transcriber_conf: who listens, and its options. normalizer: how words are made comparable
    before they are counted. `basic`: upper case. `whisper`: OpenAI's for English, as published figures have
    it: numbers, titles, contractions and British spellings agree, hesitations and punctuation do not count.
    For Mandarin, `characters` counts each character as a word, and `pinyin` its syllable with the tone, so that
    characters that sound alike agree; numbers are put into characters first.
    Always to be read beside the same figure of the recorded speech: it measures the transcriber too.
    """

    reads_text = True

    def __init__(
        self,
        transcriber: str = "pocketsphinx",
        transcriber_conf: dict | None = None,
        normalizer: Literal["basic", "whisper", "characters", "pinyin"] = "basic",
    ):
        self._name = transcriber
        self._options = transcriber_conf or {}
        self._normalize = NORMALIZERS[normalizer]()
        self._last: tuple[np.ndarray | None, str] = (None, "")
        # Of a path only the end: results are read elsewhere.
        options = ", ".join(f"{key}={str(value).rpartition('/')[2]}" for key, value in self._options.items())
        listener = f"{transcriber} ({options})" if options else transcriber
        self.metrics = {
            "wer": f"word error rate, %, as heard by {listener}; words made alike by normalizer {normalizer}"
        }

    @cached_property
    def _transcriber(self):
        return transcribers.create(self._name, self._options)

    def score(self, utterance: Scored) -> dict[str, tuple[float, float] | str]:
        """`wer`: (100 x errors, words). `heard`: the transcript, as the transcriber gave it."""
        import jiwer

        heard = self._hear(utterance)
        words = self._normalize(utterance.text)
        if not words:
            return {"heard": heard}
        counts = jiwer.process_words(words, self._normalize(heard))
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
