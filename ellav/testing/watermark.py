"""The laws of the watermark contract: marked speech is told from other speech, and is hardly changed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ellav.plugins.watermarks import Watermark
from ellav.testing.contract import METHOD, Group, demand, has, keep_laws, law
from ellav.testing.sounds import show, sound, sounds

RATES = (16000, 24000)
LONG = 4.0
"""Seconds of sound in which a mark must be found."""

LEAST = 10.0
"""dB that what is added lies below the speech at least."""


def check_watermark(watermark: Watermark, fresh: Watermark, cases: int = 3, seed: int = 0) -> None:
    """Mark machine-made sounds. fresh: another instance with the same options.

    Raises ContractError with the smallest counter-example.
    """
    keep_laws(watermark_laws(watermark, fresh, cases, seed))


def watermark_laws(watermark: Watermark, fresh: Watermark, cases: int = 3, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; sounds go from short to long."""
    yield [attributes], [(watermark,)]
    any_sound = [(watermark, wav, rate) for rate in RATES for wav in sounds(rate, cases, seed)]
    yield [samples_fit, score_is_a_number], any_sound
    yield [repeatable, sound_kept], any_sound
    rng = np.random.default_rng(seed)
    long = [(watermark, sound(rng, rate, LONG), rate, fresh) for rate in RATES for _ in range(cases)]
    yield [told_apart, hardly_changed], long
    if hasattr(watermark, "begin"):
        yield [pieces_are_the_whole], [(*case, seed) for case in any_sound]


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(watermark: Watermark) -> None:
    """The threshold and both methods."""
    has(
        watermark,
        threshold=(
            lambda value: isinstance(value, float) and math.isfinite(value),
            "the score from which on speech is marked, a float",
        ),
        mark=METHOD,
        detect=METHOD,
    )


@law(
    "as many samples come back, float32, all of them numbers",
    "Return `wav + what is added` as float32, also for no samples and for silence.",
    show,
)
def samples_fit(watermark: Watermark, wav: np.ndarray, rate: int) -> None:
    """Any sound at any rate."""
    made = watermark.mark(wav.copy(), rate)
    demand(isinstance(made, np.ndarray), f"a {type(made).__name__} comes back")
    demand(made.shape == wav.shape and made.dtype == np.float32, f"{made.shape} of {made.dtype} come back")
    demand(bool(np.isfinite(made).all()), "not all of the samples are finite")


@law("the score is a finite number", "Return `float(score)`, and some low one where there is nothing to hear.", show)
def score_is_a_number(watermark: Watermark, wav: np.ndarray, rate: int) -> None:
    """Any sound at any rate."""
    score = watermark.detect(wav.copy(), rate)
    demand(isinstance(score, float) and math.isfinite(score), f"{score!r} comes back")


@law(
    "neither mark nor score depends on what was marked before",
    "Draw no random numbers but from the key, and keep nothing in `mark` and `detect` that another sound could change.",
    show,
)
def repeatable(watermark: Watermark, wav: np.ndarray, rate: int) -> None:
    """The same again, with another sound in between."""
    first, score = watermark.mark(wav.copy(), rate), watermark.detect(wav.copy(), rate)
    other = np.concatenate([wav[::-1], wav[::-1]])
    watermark.mark(other, rate)
    watermark.detect(other, rate)
    demand(np.array_equal(first, watermark.mark(wav.copy(), rate)), "the samples are others the second time")
    again = watermark.detect(wav.copy(), rate)
    demand(score == again, f"the score is first {score!r}, the second time {again!r}")


@law("the sound that is given is not changed", "Work on a copy of the samples.", show)
def sound_kept(watermark: Watermark, wav: np.ndarray, rate: int) -> None:
    """No operation in place."""
    given = wav.copy()
    watermark.mark(given, rate)
    watermark.detect(given, rate)
    demand(np.array_equal(given, wav), "its samples are changed")


@law(
    "what one instance marks another one tells from what is unmarked",
    "Make the mark of the options alone, and set `threshold` between the scores of marked and of unmarked speech.",
    show,
)
def told_apart(watermark: Watermark, wav: np.ndarray, rate: int, fresh: Watermark) -> None:
    """A few seconds of speech-like sound."""
    marked, plain = fresh.detect(watermark.mark(wav, rate), rate), fresh.detect(wav, rate)
    threshold = fresh.threshold
    demand(marked >= threshold, f"marked it scores {marked:.3g}, below the threshold, {threshold:.3g}")
    demand(plain < threshold, f"unmarked it scores {plain:.3g}, not below the threshold, {threshold:.3g}")


@law(f"what is added lies {LEAST:g} dB below the speech", "Lower the level of the mark.", show)
def hardly_changed(watermark: Watermark, wav: np.ndarray, rate: int, _fresh: Watermark) -> None:
    """A coarse bound, far above what is heard."""
    added = np.sum((watermark.mark(wav, rate) - wav) ** 2, dtype=np.float64)
    below = 10 * np.log10(np.sum(wav**2, dtype=np.float64) / max(added, 1e-20))
    demand(below >= LEAST, f"it lies {below:.1f} dB below")


@law(
    "pieces from `begin` are sample for sample what `mark` makes of the whole",
    "Let `mark` itself push the whole into a marker and finish it, and let nothing depend on where a piece ends.",
    show,
)
def pieces_are_the_whole(watermark: Watermark, wav: np.ndarray, rate: int, seed: int) -> None:
    """Pieces of many sizes, none at all among them."""
    rng = np.random.default_rng(seed)
    marker, made, first = watermark.begin(rate), [], 0
    while first < len(wav):
        count = int(rng.choice([0, 1, rng.integers(1, 1000), rng.integers(1, rate)]))
        made.append(marker.push(wav[first : first + count]))
        first += count
    made = np.concatenate([*made, marker.finish()])
    whole = watermark.mark(wav, rate)
    demand(len(made) == len(whole), f"they have {len(made)} samples, the whole {len(whole)}")
    demand(np.array_equal(made, whole), f"they differ by up to {np.abs(made - whole).max(initial=0):.2g}")
