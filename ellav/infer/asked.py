"""What a voice is asked for: a part of a text, phone by phone, and how long each phone may last."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ellav.errors import UserError
from ellav.plugins.text import Phones
from ellav.types import NONE, SILENCE, DecodingRequest

SLOWEST, FASTEST = 0.5, 2.0
"""Rates that can be asked for. `docs/synthesis.md` has how well those from 0.6 to 1.6 are understood."""

HIGHEST_SEED = 2**31 - 1

MOST_READINGS = 100

LONGEST_SILENCE = 600.0
"""Seconds of silence that are put in at one place at most."""


def check_seed(seed: object, what: str = "seed") -> int:
    """`seed`, if it is a whole number from 0 to HIGHEST_SEED; raises UserError that calls it `what` otherwise."""
    if not _is_number(seed) or not 0 <= seed <= HIGHEST_SEED or seed != int(seed):
        raise UserError(f"{what}={seed!r} is no seed: a whole number from 0 to {HIGHEST_SEED}")
    return int(seed)


def check_readings(count: object, what: str) -> None:
    """Raises UserError, which calls it `what`, where it is no number of readings."""
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= MOST_READINGS:
        raise UserError(f"{what}={count!r} is no number of readings; give 1 to {MOST_READINGS}")


def check_rate(rate: float, what: str = "rate") -> float:
    """`rate`, if it is a number from SLOWEST to FASTEST; raises UserError that calls it `what` otherwise."""
    if not _is_number(rate) or not SLOWEST <= rate <= FASTEST:
        raise UserError(
            f"{what}={rate!r} is no rate: a number from {SLOWEST:g} (slow) to {FASTEST:g}, 1 is as it comes"
        )
    return float(rate)


@dataclass(frozen=True)
class Kept:
    """Frames that stay as they were said. codes: (T, Q). vectors: (T, D), what lies between codes, or None. sure: (T,)
    see `ellav.infer.pipeline.Speech`. durations: (N,) frames of their phones, summing to T."""

    codes: np.ndarray
    vectors: np.ndarray | None
    sure: np.ndarray | None
    durations: np.ndarray


@dataclass(frozen=True)
class Edit:
    """Phones `first` up to `last` are made anew; all before and all behind them stay as they were said."""

    first: int
    last: int
    before: Kept
    behind: Kept


@dataclass(frozen=True)
class Request:
    """What is spoken at once: N phones, no more than a model bears behind its prompt.

    text: as written; random numbers depend on it, so that the same text sounds the same. said: its phones, silence
    (`sp`) at both ends, the word of each, and the words. rate: (N,) how much faster than the model would say it each
    phone is spoken, 1 as it comes. least, most: (N,) frames that each phone may have, NONE where the model's own bounds
    hold; they go before the rate. language: of the text, empty where none is named. lead, pause: seconds of silence due
    before and after it. prompt_span: from where to where the prompt is used, in seconds, None for all of it.
    edit: what stays of an earlier speech of these phones.

    rate, least and most may be one number for all phones; left out they ask for nothing. Raises UserError where they
    are none, or not one for each phone.
    """

    text: str
    said: Phones
    rate: np.ndarray | float = 1.0
    least: np.ndarray | int = NONE
    most: np.ndarray | int = NONE
    language: str = ""
    lead: float = 0.0
    pause: float = 0.0
    prompt_span: tuple[float, float] | None = None
    edit: Edit | None = None

    def __post_init__(self):
        if not isinstance(self.said, Phones):
            raise UserError(f"request: said={self.said!r} should be what `requests` made, or Phones")
        for name, kind in (("rate", np.float64), ("least", np.int32), ("most", np.int32)):
            object.__setattr__(self, name, self._row(name, kind))
        for name in ("text", "language"):
            if not isinstance(getattr(self, name), str):
                raise UserError(f"request: {name}={getattr(self, name)!r} should be a string")
        self._check_times()
        self._check_lengths()

    def _row(self, name: str, kind: type) -> np.ndarray:
        """(N,) of what was given for each phone, or for all."""
        count, whole = len(self.said.phones), kind is np.int32
        try:
            given = np.broadcast_to(np.asarray(getattr(self, name), np.float64), count)
            if whole and ((given != np.floor(given)) | (np.abs(given) >= 2**31)).any():
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            number = "whole number" if whole else "number"
            raise UserError(f"request: {name} should be a {number}, or one for each of {count} phones") from None
        return given.astype(kind)

    def _check_times(self) -> None:
        for name in ("lead", "pause"):
            seconds = getattr(self, name)
            if not _is_number(seconds) or not 0 <= seconds <= LONGEST_SILENCE:
                told = f"{seconds:g}" if _is_number(seconds) else repr(seconds)
                raise UserError(f"request: {name}={told} s of silence; it can be 0 to {LONGEST_SILENCE:g}")
        span = self.prompt_span
        if span is None:
            return
        two = isinstance(span, (tuple, list)) and len(span) == 2 and all(map(_is_number, span))
        if not two or not 0 <= span[0] < span[1] < np.inf:
            raise UserError(f"request: prompt_span={span!r} should be two times of the prompt in seconds, or None")

    def _check_lengths(self) -> None:
        for rate in self.rate:
            check_rate(float(rate))
        silent = np.array([phone == SILENCE for phone in self.said.phones], bool)
        wrong = (self.least != NONE) & (self.most != NONE) & (self.least > self.most)
        for bound in (self.least, self.most):
            wrong |= (bound != NONE) & (bound < np.where(silent, 0, 1))
        for phone in np.flatnonzero(wrong):
            raise UserError(
                f"request: phone {phone + 1}, {self.said.phones[phone]!r}, cannot have {self.least[phone]} to"
                f" {self.most[phone]} frames"
            )

    @property
    def phones(self) -> list[str]:
        """Its N phones."""
        return self.said.phones

    @property
    def is_timed(self) -> bool:
        """Whether it asks for the length of any phone."""
        return bool((self.rate != 1).any() or (self.least != NONE).any() or (self.most != NONE).any())

    def lasting(self, durations: np.ndarray) -> Request:
        """The same with just so many frames for each phone: durations (N,)."""
        return replace(self, least=durations, most=durations)


def bounded(decoding: DecodingRequest, asked: Request, paced: np.ndarray | None = None) -> DecodingRequest:
    """How `asked` is decoded: within its own bounds, and where it asks for another rate for `paced` (N,) frames.

    Where a phone has only a least or only a most, the model's own other bound gives way to it.
    """
    if not asked.is_timed:
        return decoding
    begun, least, most = len(decoding.durations), decoding.least.copy(), decoding.most.copy()
    own = least[begun:], most[begun:]  # views
    if paced is not None:
        for bound in own:
            np.copyto(bound, paced, where=asked.rate != 1)
    np.copyto(own[0], asked.least, where=asked.least != NONE)
    np.copyto(own[1], np.maximum(own[0], own[1]))
    np.copyto(own[1], asked.most, where=asked.most != NONE)
    np.copyto(own[0], np.minimum(own[0], own[1]))
    longest = decoding.max_frames + int(own[0].sum(dtype=np.int64))
    return replace(decoding, least=least, most=most, max_frames=longest)


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float, np.integer, np.floating)) and not isinstance(given, bool)
