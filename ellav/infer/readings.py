"""Which reading of a text is spoken: of several the one that probably says its words best, of silent ones none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from ellav.data.audio import resample
from ellav.data.dataset import Tokens
from ellav.infer.pipeline import Pipeline, Reading, Speech
from ellav.plugins.aligners import Aligner, AlignmentError
from ellav.plugins.text import Phones
from ellav.types import DecodingRequest

AUDIBLE = 0.005
"""A part whose every sample is below this (-46 dB) was not said."""

TRIES = 5
"""Seeds that a part is spoken with at most where it comes out silent: the one asked for, then the numbers after it."""

Judge = Callable[[Speech], float | None]
"""Tells how well a speech says its phones, the higher the better; None where it does not, or nobody can tell."""


def speak_best(
    pipeline: Pipeline,
    requests: Sequence[DecodingRequest],
    seed: int,
    best_of: int | None = None,
    judge: Judge | None = None,
) -> list[tuple[Speech, int]]:
    """The speech of each request, and the seed with which it is spoken.

    best_of: so many readings of each are made, with the seeds from `seed` on; the first of `ranked` that sounds is
    taken. With `judge` all of them are made to sound and `alignment_score` among the facts of each is what it tells;
    without it they are ranked by the models' confidence alone. Where none of them sounds, the next seeds are tried, up
    to TRIES in all, and where these are silent too the last one stays. None makes one reading, without asking anything.
    """
    count = best_of or 1
    size = max(1, pipeline.group // count)
    made = []
    for start in range(0, len(requests), size):
        made += _speak_best(pipeline, requests[start : start + size], seed, count, best_of is not None, judge)
    return made


def aligned_by(aligner: Aligner, tokens: Tokens, sample_rate: float) -> Judge:
    """A judge that has the phones looked for in what is spoken at `sample_rate` Hz, and takes the aligner's score."""

    def score(speech: Speech) -> float | None:
        wav = resample(speech.wav, sample_rate, aligner.sample_rate)
        try:
            found = aligner.align(wav, _named(tokens.decode(speech.phones), speech.word_of_phone)).score
        except AlignmentError:
            return None
        return float(found) if np.isfinite(found) else None

    return score


def ranked(readings: Sequence[Reading | Speech]) -> list[Reading | Speech]:
    """The best reading first: what nothing ended by force before what was.

    Of those in which the phones were found, the half with the better `alignment_score` comes first, by how sure the AR
    model is of each, then the other half by its score; then what was not looked at, or where they were not found, by
    the confidence of both models. `docs/synthesis.md` has what that is worth.
    """
    free = [reading for reading in readings if not was_forced(reading.facts)]
    forced = [reading for reading in readings if was_forced(reading.facts)]
    return _by_fit(free) + _by_fit(forced)


def was_forced(facts: dict) -> bool:
    """Whether a phone, or the whole, was ended because its bound was reached."""
    return facts["cuts"] > 0 or facts["hit_bound"]


def is_audible(wav: np.ndarray) -> bool:
    """Whether anything in (samples,) reaches AUDIBLE."""
    return bool(np.abs(wav).max(initial=0) >= AUDIBLE)


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


def _speak_best(
    pipeline: Pipeline,
    requests: Sequence[DecodingRequest],
    seed: int,
    count: int,
    confidence: bool,
    judge: Judge | None,
) -> list[tuple[Speech, int]]:
    asked = [request for request in requests for _ in range(count)]
    readings = pipeline.read(asked, [seed + i for _ in requests for i in range(count)], confidence=confidence)
    groups = [slice(i * count, (i + 1) * count) for i in range(len(requests))]
    if judge is None or count == 1:
        best = [ranked(readings[group]) for group in groups]
        made: list[tuple[Speech, int] | None] = [None] * len(requests)
        tried, silent = 0, list(range(len(requests)))
    else:
        spoken = [(speech, reading.seed) for speech, reading in zip(pipeline.say(readings), readings, strict=True)]
        made = [_best_heard(spoken[group], judge) for group in groups]
        tried, silent = count, [i for i, (speech, _) in enumerate(made) if not is_audible(speech.wav)]
    for attempt in range(tried, max(count, TRIES)):
        if not silent:
            break
        if attempt < count:
            chosen = [best[i][attempt] for i in silent]
        else:
            chosen = pipeline.read([requests[i] for i in silent], seed + attempt, confidence=confidence)
        for i, reading, speech in zip(silent, chosen, pipeline.say(chosen), strict=True):
            made[i] = speech, reading.seed
        silent = [i for i in silent if not is_audible(made[i][0].wav)]
    return made


def _best_heard(spoken: Sequence[tuple[Speech, int]], judge: Judge) -> tuple[Speech, int]:
    """Of the readings of one request, with their seeds, the best that sounds; the last one where all are silent."""
    sounding = [(speech, seed) for speech, seed in spoken if is_audible(speech.wav)]
    if not sounding:
        return spoken[-1]
    for speech, _ in sounding:
        speech.facts["alignment_score"] = judge(speech)
    best = ranked([speech for speech, _ in sounding])[0]
    return next(one for one in sounding if one[0] is best)


def _named(phones: list[str], owners: np.ndarray) -> Phones:
    """Phones of words that are called after how they are said."""
    words: dict[int, list[str]] = {}
    for phone, owner in zip(phones, owners, strict=True):
        if owner >= 0:
            words.setdefault(int(owner), []).append(phone)
    number = {owner: i for i, owner in enumerate(words)}
    return Phones(phones, [number.get(int(owner), -1) for owner in owners], ["_".join(said) for said in words.values()])


def _by_fit(readings: Sequence[Reading | Speech]) -> list[Reading | Speech]:
    found = [reading for reading in readings if reading.facts.get("alignment_score") is not None]
    lost = [reading for reading in readings if reading.facts.get("alignment_score") is None]
    found = sorted(found, key=_falling("alignment_score"))
    half = (len(found) + 1) // 2
    return sorted(found[:half], key=_falling("ar_confidence")) + found[half:] + sorted(lost, key=_falling("confidence"))


def _falling(name: str) -> Callable[[Reading | Speech], float]:
    """Sorts by a fact, the highest first; what is not known comes last."""

    def key(reading: Reading | Speech) -> float:
        value = reading.facts.get(name)
        return np.inf if value is None else -value

    return key
