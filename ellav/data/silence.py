"""Silence that no text tells of: pauses between words become `sp`, and long silence at the ends is cut off.

People pause where nothing is written and recordings begin and end with seconds of silence. What is left in a phone
or an `sp` of its own without bound is what a model learns to speak without end.
"""

from __future__ import annotations

import numpy as np

from ellav.plugins.aligners import Alignment
from ellav.plugins.text import Phones
from ellav.types import SILENCE


def with_pauses(phones: Phones, alignment: Alignment, least: float) -> tuple[Phones, np.ndarray, np.ndarray]:
    """The phones with an `sp` wherever `alignment` tells of a pause of at least `least` seconds.

    Returns them, the seconds (M,) at which they end, and the indices (n,) of the phones that are such an `sp`.
    """
    ends = np.asarray(alignment.ends, np.float64)
    if alignment.pauses is None or not (long := np.asarray(alignment.pauses) >= max(least, 1e-9)).any():
        return phones, ends, np.zeros(0, np.int64)
    before = np.flatnonzero(long)  # the phones that a pause follows
    places = before + 1 + np.arange(len(before))
    symbols, words = list(phones.phones), list(phones.word_of_phone)
    for place in places:
        symbols.insert(place, SILENCE)
        words.insert(place, -1)
    spoken = np.where(long, ends - alignment.pauses, ends)
    return Phones(symbols, words, phones.words), np.insert(spoken, before + 1, ends[before]), places


def trim(durations: np.ndarray, silent: np.ndarray, most: int) -> tuple[np.ndarray, slice]:
    """Durations (N,) with at most `most` frames of silence at either end, and the frames that stay.

    silent: (N,) boolean. What is cut off is the silence farthest from the speech.
    """
    kept = durations.copy()
    cut = [int(max(durations[end] - most, 0)) if silent[end] else 0 for end in (0, -1)]
    if len(durations) == 1:
        cut[1] = 0
    kept[0] -= cut[0]
    kept[-1] -= cut[1]
    return kept, slice(cut[0], int(durations.sum()) - cut[1])
