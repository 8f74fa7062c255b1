"""Which reading of a text is spoken: of several the one of which the models are surest, of silent ones none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ellav.infer.pipeline import Pipeline, Reading, Speech
from ellav.types import DecodingRequest

AUDIBLE = 0.005
"""A part whose every sample is below this (-46 dB) was not said."""

TRIES = 5
"""Seeds that a part is spoken with at most where it comes out silent: the one asked for, then the numbers after it."""


def speak_best(
    pipeline: Pipeline, requests: Sequence[DecodingRequest], seed: int, best_of: int | None = None
) -> list[tuple[Speech, int]]:
    """The speech of each request, and the seed with which it is spoken.

    best_of: so many readings of each are made, with the seeds from `seed` on; the first of `ranked` that sounds is
    taken. Where none of them does, the next seeds are tried, up to TRIES in all, and where these are silent too the
    last one stays. None makes one reading, without asking how sure the models are.
    """
    count = best_of or 1
    size = max(1, pipeline.group // count)
    made = []
    for start in range(0, len(requests), size):
        made += _speak_best(pipeline, requests[start : start + size], seed, count, best_of is not None)
    return made


def _speak_best(
    pipeline: Pipeline, requests: Sequence[DecodingRequest], seed: int, count: int, confidence: bool
) -> list[tuple[Speech, int]]:
    asked = [request for request in requests for _ in range(count)]
    readings = pipeline.read(asked, [seed + i for _ in requests for i in range(count)], confidence=confidence)
    best = [ranked(readings[i * count : (i + 1) * count]) for i in range(len(requests))]
    made: list[tuple[Speech, int] | None] = [None] * len(requests)
    silent = list(range(len(requests)))
    for attempt in range(max(count, TRIES)):
        if attempt < count:
            tried = [best[i][attempt] for i in silent]
        else:
            tried = pipeline.read([requests[i] for i in silent], seed + attempt, confidence=confidence)
        for i, reading, speech in zip(silent, tried, pipeline.say(tried), strict=True):
            made[i] = speech, reading.seed
        silent = [i for i in silent if not is_audible(made[i][0].wav)]
        if not silent:
            break
    return made


def told_of_silence(
    texts: Sequence[str], made: Sequence[tuple[Speech, int]], seed: int, best_of: int | None
) -> Iterator[str]:
    """A line on each text of which no reading that was asked for sounds. made: what `speak_best` made of them."""
    count = best_of or 1
    for text, (speech, used) in zip(texts, made, strict=True):
        if not is_audible(speech.wav):
            last = seed + max(count, TRIES) - 1
            yield f"{text!r} came out silent with each seed from {seed} to {last}; say more in it"
        elif used >= seed + count:
            silent = f"seed {seed}" if count == 1 else f"each seed from {seed} to {seed + count - 1}"
            yield f"{text!r} came out silent with {silent}; spoken with seed {used}"


def ranked(readings: Sequence[Reading]) -> list[Reading]:
    """The best reading first: what nothing ended by force before what was, then by confidence, then as they come."""
    return sorted(readings, key=lambda reading: (was_forced(reading.facts), -_confidence(reading.facts)))


def was_forced(facts: dict) -> bool:
    """Whether a phone, or the whole, was ended because its bound was reached."""
    return facts["cuts"] > 0 or facts["hit_bound"]


def is_audible(wav: np.ndarray) -> bool:
    """Whether anything in (samples,) reaches AUDIBLE."""
    return bool(np.abs(wav).max(initial=0) >= AUDIBLE)


def _confidence(facts: dict) -> float:
    """That of a reading without codes is the lowest."""
    confidence = facts.get("confidence")
    return -np.inf if confidence is None else confidence
