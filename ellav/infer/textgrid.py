"""Praat TextGrids of phones and words, as synthesized or as aligned."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ellav.data.outputs import beside


def write_textgrid(
    path: Path, phones: list[str], word_of_phone: np.ndarray, durations: np.ndarray, frame_rate: float, words=None
) -> None:
    """Write tiers `phones` and `words`. durations: (N,) frames; phones of 0 frames are left out.

    words: spellings by index, or None to write each word as its phones.
    """
    from praatio import textgrid

    ends = np.cumsum(durations) / frame_rate
    starts = np.concatenate([[0.0], ends[:-1]])
    length = float(ends[-1])
    spoken = [(float(s), float(e), p) for s, e, p in zip(starts, ends, phones, strict=True) if e > s]
    entries = []
    for word in sorted({int(w) for w in word_of_phone if w >= 0}):
        members = np.flatnonzero(word_of_phone == word)
        label = words[word] if words else "".join(phones[i] for i in members)
        if ends[members[-1]] > starts[members[0]]:
            entries.append((float(starts[members[0]]), float(ends[members[-1]]), label))
    grid = textgrid.Textgrid()
    grid.addTier(textgrid.IntervalTier("words", entries, 0, length))
    grid.addTier(textgrid.IntervalTier("phones", spoken, 0, length))
    with beside(path) as temporary:
        grid.save(str(temporary), format="long_textgrid", includeBlankSpaces=True)
