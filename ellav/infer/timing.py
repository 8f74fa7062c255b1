"""Speaking with the timing of a TextGrid: each phone, or each word, as long as there."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ellav.data.durations import to_frames
from ellav.errors import UserError
from ellav.infer.asked import Request
from ellav.infer.silences import at_long_silences
from ellav.plugins.aligners import AlignmentError
from ellav.plugins.aligners.intervals import Interval, Matching
from ellav.plugins.aligners.textgrid import read_tier
from ellav.plugins.text import Phones
from ellav.types import SILENCE

TIER = "phones"


def read_timing(path: os.PathLike | str) -> list[Interval]:
    """The intervals of the tier `phones`. Raises UserError where there are none."""
    if not isinstance(path, (str, os.PathLike)):
        raise UserError(f"timing: a {type(path).__name__} is no TextGrid; give a file's name")
    if find_spec("praatio") is None:
        raise UserError("timing: reading a TextGrid needs praatio; pip install 'ellav[align]'")
    try:
        intervals = read_tier(Path(path), TIER, "")
    except AlignmentError as error:
        raise UserError(f"timing: {error}") from None
    if not intervals:
        raise UserError(f"timing: {path}: the tier {TIER!r} is empty")
    return intervals


def with_timing(
    requests: Sequence[Request], path: os.PathLike | str, frame_rate: float, longest_silence: float
) -> list[Request]:
    """Requests whose phones last as long as those of the tier `phones` in a TextGrid.

    Its phones are to be ours, in our alphabet (stress and length may be left out); silence is what is between them.
    longest_silence: seconds that the model can speak of it; the rest of a longer one is put in. Raises UserError naming
    the first phone that differs.
    """
    intervals = read_timing(path)
    symbols = [phone for request in requests for phone in request.phones]
    owners, words = [], []
    for request in requests:
        owners += [owner + len(words) if owner >= 0 else owner for owner in request.said.word_of_phone]
        words += request.said.words
    # Where one part ends and the next begins silence stands twice; the first of the two has all of it.
    single = np.array([i == 0 or not symbols[i - 1] == symbols[i] == SILENCE for i in range(len(symbols))])
    kept = np.flatnonzero(single)
    phones = Phones([symbols[i] for i in kept], [owners[i] for i in kept], words)
    seconds = intervals[-1].end
    silent = np.array([owner < 0 for owner in phones.word_of_phone])
    try:
        ends = Matching().align(intervals, phones, seconds).ends
        own = to_frames(ends, frame_rate, int(np.floor(seconds * frame_rate + 0.5)), silent)
    except (AlignmentError, ValueError) as error:
        raise UserError(f"timing: {path}: {error}; the tier {TIER!r} is to have the phones of the text") from None
    durations = np.zeros(len(symbols), np.int32)
    durations[kept] = own
    made, begin = [], 0
    for request in requests:
        end = begin + len(request.phones)
        timed = replace(request.lasting(durations[begin:end]), pause=0.0)
        try:
            made += at_long_silences(timed, longest_silence, frame_rate)
        except UserError as error:
            raise UserError(f"timing: {path}: {error}") from None
        begin = end
    return made
