"""Counts of whole numbers, which add up whatever the number of utterances and of shards."""

from __future__ import annotations

import numpy as np


class Histogram:
    """How often each number from 0 on was there. counts: (longest + 1,) int64."""

    def __init__(self):
        self.counts = np.zeros(1, np.int64)

    def add(self, values: np.ndarray) -> None:
        """values: (N,) whole numbers that are not negative."""
        more = np.bincount(values, minlength=len(self.counts))
        more[: len(self.counts)] += self.counts
        self.counts = more

    def __len__(self) -> int:
        return int(self.counts.sum())

    def percentile(self, percent: float) -> float:
        """What `numpy.percentile` says of all values, to the last bit. Raises ValueError where there are none."""
        if not len(self):
            raise ValueError("no values")
        ends = np.cumsum(self.counts)
        place = (len(self) - 1) * (percent / 100)
        below = int(np.floor(place))
        low, high = (int(np.searchsorted(ends, at, side="right")) for at in (below, min(below + 1, len(self) - 1)))
        share = place - below
        # numpy adds from the nearer end
        return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)
