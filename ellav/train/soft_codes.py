"""Targets that say which codes sound alike, so that a model need not learn it from speech."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ellav.errors import UserError
from ellav.plugins.codecs import Codec

HALVINGS = 40


def targets_of(codec: Codec, codebooks: int, perplexity: float) -> Tensor | None:
    """What `soft_codes` makes of the first codebooks of a codec, None at a perplexity of 1.

    Raises UserError where it takes more and the codec tells no vectors.
    """
    if perplexity == 1:
        return None
    if not hasattr(codec, "vectors"):
        raise UserError(f"soft_codes={perplexity:g}: this codec tells no vectors of its codes; leave it out")
    return soft_codes(codec.vectors()[:codebooks], perplexity)


def soft_codes(vectors: np.ndarray, perplexity: float) -> Tensor:
    """(Q, size, size) float32: the row of each code says how probable each code of its codebook is instead.

    p(j | k) is proportional to exp(-|v_j - v_k|^2 / s_k), with s_k such that each row has the perplexity asked for, as
    in stochastic neighbour embedding (Hinton and Roweis, 2002). vectors: (Q, size, D), as a `VectorCodec` tells them.
    perplexity: above 1; how many codes a target is spread over, at most all that the codebook has. Codes that stand for
    nothing (zeros) have no part in it, and stay alone.
    """
    return torch.stack([_of_codebook(book, perplexity) for book in torch.from_numpy(vectors).double()]).float()


def _of_codebook(book: Tensor, perplexity: float) -> Tensor:
    used = book.any(dim=1)
    made = torch.eye(len(book), dtype=torch.float64)
    distances = torch.cdist(book[used], book[used]).square()  # (n, n)
    if len(distances) < 2:
        return made
    wanted = min(np.log(perplexity), 0.99 * np.log(len(distances)))
    low, high = torch.full((len(distances), 1), 1e-9), distances.max().expand(len(distances), 1) * 1e3  # of s_k
    for _ in range(HALVINGS):
        middle = (low * high).sqrt()
        chances = (-distances / middle).softmax(dim=1)
        entropy = torch.special.entr(chances).sum(dim=1, keepdim=True)
        low, high = torch.where(entropy < wanted, middle, low), torch.where(entropy < wanted, high, middle)
    rows = used.nonzero().flatten()
    made[rows[:, None], rows[None]] = chances
    return made
