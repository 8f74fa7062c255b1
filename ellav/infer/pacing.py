"""Speaking faster or slower: how long the model makes each phone by itself, and that divided by the rate.

Training statistics know no voice: a phone is short in a quick one. So the AR model decodes a part twice, first as it
likes, which is not heard, then with the durations of that, scaled.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ellav.data.durations import to_frames
from ellav.errors import UserError
from ellav.infer.asked import Request, bounded, check_rate
from ellav.infer.pipeline import Pipeline, durations_after
from ellav.plugins.orderings import Ordering
from ellav.types import DecodingRequest

NO_TIMES = "the ordering {} of this model keeps no times of phones; leave it out"


def check_lengths(rate: float, timing: object, ordering: Ordering) -> None:
    """Raises UserError for a rate that is none, beside a timing (None: there is none), and for either where the
    ordering keeps no times of phones."""
    for name, given in (("rate", check_rate(rate) != 1), ("timing", timing is not None)):
        if given and not ordering.needs_durations:
            raise UserError(f"{name}: {NO_TIMES.format(ordering.name)}")
    if rate != 1 and timing is not None:
        raise UserError("rate and timing exclude each other: a TextGrid says how long everything lasts")


def check_timed(asked: Sequence[Request], ordering: Ordering) -> None:
    """Raises UserError where lengths of phones are asked for and the ordering keeps none."""
    if any(request.is_timed for request in asked) and not ordering.needs_durations:
        raise UserError(f"rate: {NO_TIMES.format(ordering.name)}")


def timed(
    pipeline: Pipeline, decodings: Sequence[DecodingRequest], asked: Sequence[Request], seed: int
) -> list[DecodingRequest]:
    """How requests are decoded so that their phones last as long as is asked.

    Where a rate is asked for, this decodes; with `seed` as the readings will be, so that a part of which only the end
    is to be slower begins as it would without.
    """
    uneven = [i for i, request in enumerate(asked) if (request.rate != 1).any()]
    free = [decodings[i] for i in uneven]
    paced = {}
    for start in range(0, len(free), pipeline.group):
        part = free[start : start + pipeline.group]
        for i, decoding, begun in zip(uneven[start:], part, pipeline.begin(part, [seed] * len(part)), strict=False):
            own = durations_after(begun.durations, len(decoding.codes))[len(decoding.durations) :]
            paced[i] = scaled(own, asked[i].rate, decoding.word_of_phone[len(decoding.durations) :] < 0)
    return [bounded(one, wanted, paced.get(i)) for i, (one, wanted) in enumerate(zip(decodings, asked, strict=True))]


def scaled(durations: np.ndarray, rate: np.ndarray, silent: np.ndarray) -> np.ndarray:
    """(N,) durations in frames, each divided by its rate and rounded so that no error adds up over phones.

    Every phone that is not `silent` keeps a frame at least.
    """
    ends = np.cumsum(durations / rate)
    frames = max(int(np.floor(ends[-1] + 0.5)), int((~silent).sum()))
    return to_frames(ends, 1.0, frames, silent)
