"""Praat TextGrids of phones and words, as synthesized or as aligned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ellav.data.outputs import beside
from ellav.infer.times import phone_times, word_times


def write_textgrid(
    path: Path, phones: list[str], word_of_phone: np.ndarray, durations: np.ndarray, frame_rate: float, words=None
) -> None:
    """Write tiers `phones` and `words`. durations: (N,) frames; phones of 0 frames are left out.

    words: spellings by index, or None to write each word as its phones.
    """
    from praatio import textgrid

    length = float(np.sum(durations) / frame_rate)
    tiers = {
        "words": word_times(phones, word_of_phone, durations, frame_rate, words),
        "phones": phone_times(phones, durations, frame_rate),
    }
    grid = textgrid.Textgrid()
    for name, times in tiers.items():
        grid.addTier(textgrid.IntervalTier(name, list(map(tuple, times)), 0, length))
    with beside(path) as temporary:
        grid.save(str(temporary), format="long_textgrid", includeBlankSpaces=True)
