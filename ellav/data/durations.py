"""Phone times to whole codec frames."""

from __future__ import annotations

import numpy as np


def to_frames(ends: np.ndarray, frame_rate: float, frames: int, silent: np.ndarray) -> np.ndarray:
    """Durations (N,) int32 in codec frames, summing to `frames`.

    ends: (N,) seconds at which each phone ends, non-decreasing. silent: (N,) boolean; these
    phones may get 0 frames, every other one gets at least 1, taken from its neighbours. Each
    boundary is rounded to the nearest frame; where that leaves too little room, the
    boundaries are moved so that the largest move is as small as possible. The last boundary
    is `frames`, whatever the last end is.

    Raises ValueError where there are fewer frames than phones that need one, or where the
    ends are no times.
    """
    ends = np.asarray(ends, dtype=np.float64)
    silent = np.asarray(silent, dtype=bool)
    if ends.ndim != 1 or len(ends) == 0 or ends.shape != silent.shape:
        raise ValueError(f"{ends.shape} ends and {silent.shape} phones do not match")
    if not np.isfinite(ends).all() or ends[0] < 0 or (np.diff(ends) < 0).any():
        raise ValueError("the ends of the phones are not non-decreasing times from 0")
    needed = np.cumsum(~silent)
    spare = frames - int(needed[-1])
    if spare < 0:
        raise ValueError(f"{frames} frames are fewer than the {needed[-1]} phones that are not silence")
    # With the needed frames subtracted the boundaries must only be non-decreasing. The mean of
    # the running maximum from the left and minimum from the right is the non-decreasing series
    # with the smallest largest move, and is the series itself where nothing has to move.
    free = ends * frame_rate - needed
    free[-1] = spare
    left = np.maximum.accumulate(free)
    right = np.minimum.accumulate(free[::-1])[::-1]
    free = np.clip((left + right) / 2, 0, spare)
    free[-1] = spare
    boundaries = np.floor(free + 0.5).astype(np.int64) + needed
    return np.diff(boundaries, prepend=0).astype(np.int32)
