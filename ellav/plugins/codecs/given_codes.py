"""Codes as they are given to a codec to decode, checked."""

from __future__ import annotations

import numpy as np
import torch


def checked_codes(codes: np.ndarray, codebooks: int, size: int) -> torch.Tensor:
    """(T, q) int64, q <= codebooks. Raises ValueError for another shape, and for codes beyond the entries."""
    made = torch.as_tensor(np.asarray(codes, dtype=np.int64))
    if made.ndim != 2 or not 1 <= made.shape[1] <= codebooks:
        raise ValueError(f"codes of shape {tuple(made.shape)} for {codebooks} codebooks")
    if made.numel() and not 0 <= int(made.min()) <= int(made.max()) < size:
        raise ValueError(f"codes from {int(made.min())} to {int(made.max())} for {size} entries")
    return made
