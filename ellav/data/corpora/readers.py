"""Which readers of a corpus are kept apart, and how much of the others a sample takes."""

from __future__ import annotations

import math
import random
from collections.abc import Collection
from typing import NamedTuple

from ellav.errors import UserError, did_you_mean

RANDOM = "random:"


def choose(wanted: str, readers: Collection[str], seed: int, option: str) -> set[str]:
    """The readers that `wanted` names, or as many as `random:N` says.

    Raises UserError naming `option` where there are no such readers, or not so many.
    """
    words = wanted.split()
    if len(words) == 1 and words[0].startswith(RANDOM):
        number = words[0].removeprefix(RANDOM)
        if not number.isdecimal():
            raise UserError(f"{option} {words[0]}: write {RANDOM}N with a whole number, for example {RANDOM}8")
        if int(number) and int(number) >= len(readers):
            raise UserError(f"{option} {words[0]}: {len(readers)} readers are there to choose from, some must be left")
        return set(random.Random(f"{option} {seed}").sample(sorted(readers), int(number)))
    for name in words:
        if name not in readers:
            hint = did_you_mean(name, readers)
            raise UserError(f"{option} {wanted}: no reader {name!r}{hint}; write names, or {RANDOM}N for N of them")
    return set(words)


class Sample(NamedTuple):
    """A part of a corpus: some readers, and some seconds of each."""

    readers: set[str]
    seconds: float


def sample(readers: Collection[str], hours: float | None, seed: int) -> Sample:
    """At most `hours` of these readers (None: all), at least a minute of each where there is as much; two at least."""
    if hours is None:
        return Sample(set(readers), math.inf)
    if hours <= 0:
        raise UserError(f"--hours must be above 0, not {hours:g}")
    count = min(len(readers), max(2, math.ceil(hours * 60)))
    chosen = random.Random(f"sample {seed}").sample(sorted(readers), count)
    return Sample(set(chosen), hours * 3600 / max(count, 1))
