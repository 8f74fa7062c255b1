"""The vectors that codes stand for, where a quantiser adds them up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch


def sums_of_vectors(vectors: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """vectors (Q, size, D), codes (..., q) of the first q <= Q codebooks -> the sums (..., D) of their vectors."""
    return sum(vectors[book][codes[..., book]] for book in range(codes.shape[-1]))


@torch.inference_mode()
def code_vectors(decode: Callable[[torch.Tensor], torch.Tensor], codebooks: int, size: int) -> np.ndarray:
    """(Q, size, D) float32: what each code of a codebook adds to the vector that the decoder is given.

    decode: codes (T, q) int64 of the first q codebooks, 1 <= q <= Q -> the sum (T, D) of their vectors.
    """
    made, before = [], torch.zeros(())
    for count in range(1, codebooks + 1):
        codes = torch.zeros(size, count, dtype=torch.int64)
        codes[:, -1] = torch.arange(size)
        total = decode(codes).float().cpu()  # (size, D)
        made.append((total - before).numpy())
        before = total[:1]  # of code 0 in all of them
    return np.stack(made)
