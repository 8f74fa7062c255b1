"""Cutting long recordings at pauses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ellav.errors import UserError


class Span(NamedTuple):
    """From one second of a recording to another."""

    start: float
    end: float

    @property
    def seconds(self) -> float:
        return self.end - self.start


class Lengths(NamedTuple):
    """What pieces may be like, in seconds. most_pause: inside a piece. margin: of silence kept around it."""

    least: float = 4.0
    most: float = 20.0
    most_pause: float = 2.0
    margin: float = 0.1


def cleaned(activity: object, seconds: float) -> list[Span]:
    """Stretches of speech in order, apart, and within the `seconds` that the recording has.

    activity: pairs of seconds, as a file has them; pairs that overlap become one, what lies beyond the end is
    left out. Raises UserError where they are no such pairs.
    """
    try:
        spans = sorted(Span(float(start), float(end)) for start, end in activity)
    except (TypeError, ValueError):
        raise UserError("its voice activity is not pairs of seconds, [[start, end], ...]") from None
    odd = next((span for span in spans if not 0 <= span.start < span.end < math.inf), None)
    if odd is not None:
        raise UserError(f"its voice activity goes from {odd.start:g} to {odd.end:g} s; pauses are not known")
    made: list[Span] = []
    for start, end in spans:
        end = min(end, seconds)
        if start >= end:
            continue
        if made and start <= made[-1].end:
            made[-1] = Span(made[-1].start, max(end, made[-1].end))
        else:
            made.append(Span(start, end))
    return made


def cut(speech: Sequence[Span], seconds: float, lengths: Lengths) -> Iterable[tuple[Span, bool]]:
    """Pieces of whole stretches of speech in order, and whether each is of a length that is wanted.

    speech: as `cleaned` gives it, of a recording of `seconds`. Each piece ends before the longest pause that leaves
    it long enough, so that it is likely to be whole sentences. Every stretch is in one piece; a stretch longer than
    a piece may be is a piece that is not wanted, and so is one that has nothing long enough beside it.
    """
    first = 0
    while first < len(speech):
        last, best = first, -1.0
        for index in range(first, len(speech)):
            if index > first and _pause(speech, index - 1) > lengths.most_pause:
                break
            long = _padded(speech, first, index, seconds, lengths).seconds
            if long > lengths.most and index > first:
                break
            if best < 0 or long >= lengths.least:
                pause = _pause(speech, index) if long >= lengths.least else -1.0
                if pause >= best:
                    last, best = index, pause
        span = _padded(speech, first, last, seconds, lengths)
        yield span, lengths.least <= span.seconds <= lengths.most
        first = last + 1


def _pause(speech: Sequence[Span], index: int) -> float:
    """Seconds of silence after a stretch."""
    return speech[index + 1].start - speech[index].end if index + 1 < len(speech) else float("inf")


def _padded(speech: Sequence[Span], first: int, last: int, seconds: float, lengths: Lengths) -> Span:
    """From the beginning of one stretch to the end of another, with half of the pauses around, at most the margin."""
    before = speech[first].start if first == 0 else _pause(speech, first - 1) / 2
    after = seconds - speech[last].end if last + 1 == len(speech) else _pause(speech, last) / 2
    return Span(speech[first].start - min(before, lengths.margin), speech[last].end + min(after, lengths.margin))
