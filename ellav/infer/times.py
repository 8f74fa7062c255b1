"""When phones and words are spoken, of their durations; and words as SubRip subtitles."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.data.outputs import write_text


class Interval(NamedTuple):
    """What is spoken from `start` up to `end`, in seconds."""

    start: float
    end: float
    label: str


def phone_times(phones: Sequence[str], durations: np.ndarray, frame_rate: float) -> list[Interval]:
    """The phones that have frames, one after another. durations: (N,) frames of `frame_rate` Hz."""
    ends = np.cumsum(durations) / frame_rate
    starts = np.concatenate([[0.0], ends[:-1]])
    return [Interval(float(s), float(e), p) for s, e, p in zip(starts, ends, phones, strict=True) if e > s]


def word_times(
    phones: Sequence[str],
    word_of_phone: np.ndarray,
    durations: np.ndarray,
    frame_rate: float,
    words: Sequence[str] | None = None,
) -> list[Interval]:
    """The words that have frames, each from its first phone to its last.

    word_of_phone: (N,) the word of each phone, -1 for silence. durations: (N,) frames of `frame_rate` Hz. words:
    spellings by index, or None to write each word as its phones.
    """
    ends = np.cumsum(durations) / frame_rate
    starts = np.concatenate([[0.0], ends[:-1]])
    found = []
    for word in sorted({int(w) for w in word_of_phone if w >= 0}):
        members = np.flatnonzero(word_of_phone == word)
        label = words[word] if words else "".join(phones[i] for i in members)
        start, end = float(starts[members[0]]), float(ends[members[-1]])
        if end > start:
            found.append(Interval(start, end, label))
    return found


def write_srt(path: Path, times: Sequence[Interval]) -> None:
    """Write a subtitle for each interval, in order, beside and renamed. Their times are whole milliseconds."""
    blocks = [
        f"{number}\n{_clock(start)} --> {_clock(end)}\n{label}\n"
        for number, (start, end, label) in enumerate(times, start=1)
    ]
    write_text(path, "\n".join(blocks))


def _clock(seconds: float) -> str:
    """Hours, minutes, seconds and milliseconds as SubRip writes them."""
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"
