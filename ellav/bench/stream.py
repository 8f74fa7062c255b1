"""Streaming: how soon speech is heard and whether it keeps up, beside the same text spoken in one piece."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from ellav.bench.measured import fastest, rounded
from ellav.infer.synthesizer import Synthesizer


class Heard(NamedTuple):
    """first: seconds until the first samples came. samples: how many came in all."""

    first: float
    samples: int


def stream_rows(voice: Synthesizer, text: str, repeats: int) -> Iterator[dict]:
    """A text as a stream and as a whole, the default prompt being ready."""

    def row(name: str, speak: Callable[[], Iterator[np.ndarray]]) -> dict:
        run = fastest(lambda: heard(speak()), repeats, voice.pipeline.engine.device)
        speech = run.result.samples / voice.codec.sample_rate
        return {
            "name": name,
            "first_audio_ms": rounded(1000 * run.result.first),
            "seconds": rounded(run.seconds),
            "speech_seconds": rounded(speech),
            "real_time_factor": rounded(run.seconds / speech),
            **run.memory,
        }

    def whole() -> Iterator[np.ndarray]:
        yield voice(text).wav

    yield row("stream", lambda: voice.stream(text))
    yield row("whole", whole)


def heard(pieces: Iterator[np.ndarray]) -> Heard:
    """What comes of pieces of samples."""
    began, first, samples = time.perf_counter(), None, 0
    for piece in pieces:
        first = time.perf_counter() - began if first is None else first
        samples += len(piece)
    return Heard(first or 0.0, samples)
