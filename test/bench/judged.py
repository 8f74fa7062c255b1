"""What benches of the mini's voice share: sentences of its grammar, the judge that knows their words, and intervals."""

from __future__ import annotations

import sys
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from ellav.data.audio import resample
from ellav.data.language_model import write_language_model
from ellav.infer.recordings import read_given
from ellav.infer.synthesizer import Synthesizer
from ellav.plugins.scorers import Scored, scorers

sys.path.insert(0, str(Path(__file__).parents[2] / "egs/mini/tts1/local"))

from grammar import sentences

__all__ = ["interval", "listener", "prompt_wav", "sentences"]

KNOWN = 1000
"""Sentences from which the judge learns which words follow one another."""


def listener(voice: Synthesizer):
    """The judge."""
    said = [voice.text(sentence) for sentence in islice(sentences(0), KNOWN)]
    pronounced = {
        word: [phone for phone, owner in zip(one.phones, one.word_of_phone, strict=True) if owner == number]
        for one in said
        for number, word in enumerate(one.words)
    }
    with tempfile.TemporaryDirectory() as folder:
        model = write_language_model(Path(folder), [one.words for one in said], pronounced)
        judge = scorers.create("wer", {"transcriber_conf": {"lm": model}})
        judge.score(Scored("", "", "A", np.ones(3200, np.float32), 16000))  # reads the model
    return judge


def interval(wrong: np.ndarray, words: np.ndarray) -> str:
    """Of 1000 resamplings of the sentences, the same ones in every row."""
    drawn = np.random.default_rng(0).integers(0, len(words), (1000, len(words)))
    low, high = np.percentile(wrong[drawn].sum(axis=1) / words[drawn].sum(axis=1), [2.5, 97.5])
    return f"{wrong.sum() / words.sum():.1f} ({low:.1f} to {high:.1f})"


def prompt_wav(voice: Synthesizer, name: str) -> np.ndarray:
    """(samples,) of a built-in prompt, at the codec's rate."""
    given = read_given(voice.prompts[name].wav)
    return resample(given.wav, given.rate, voice.codec.sample_rate)
