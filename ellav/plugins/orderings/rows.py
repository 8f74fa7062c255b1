"""What several orderings lay their rows out with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ellav.types import NONE


def alone(ids: Sequence[int], streams: int) -> np.ndarray:
    """(n, S) int32 rows that hold one id each, in the first stream."""
    rows = np.full((len(ids), streams), NONE, np.int32)
    rows[:, 0] = ids
    return rows


def row_positions(head: int, rows: int) -> np.ndarray:
    """(rows,) int32: from 0 on in the first `head` rows, and from 0 on again after them."""
    return np.concatenate([np.arange(head), np.arange(rows - head)]).astype(np.int32)


def sum_by(owner: np.ndarray, values: np.ndarray, size: int = 0) -> np.ndarray:
    """(n,) int64 sums of the values (N,) that each owner has, n at least `size`. owner: (N,)."""
    return np.bincount(owner, weights=values, minlength=size).astype(np.int64)
