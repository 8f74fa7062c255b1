"""Embeddings of codes that begin as what the codec's quantiser adds up for them."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.plugins.orderings import Ordering

OWN = 0.1
"""Share of an embedding's square that stays its own: codes that sound alike are still told apart."""


def begin_with_vectors(model: ARModel | NARModel, ordering: Ordering, vectors: np.ndarray) -> None:
    """Replace the fresh embeddings of codes by random projections of their vectors, one projection for all codebooks.

    vectors: (Q, size, D), as a `VectorCodec` tells them. The embeddings of a frame's codes then add up to a projection
    of what the codec adds up, whose codebooks keep their proportions; the largest has the size that was drawn.
    """
    width = model.options.width
    project = torch.randn(vectors.shape[2], width) * width**-0.5
    places = _of_ar(model, ordering) if isinstance(model, ARModel) else _of_nar(model)
    centred = [_centred(book) for book in torch.from_numpy(vectors)]
    spread = torch.stack([book.square().sum(dim=1).mean().sqrt() for book in centred])
    with torch.no_grad():
        for book, rows in zip(centred, places, strict=False):
            drawn = rows.square().sum(dim=1).mean().sqrt()
            rows.mul_(OWN**0.5).add_(book @ project * ((1 - OWN) ** 0.5 * drawn / spread.max()))


def _centred(book: Tensor) -> Tensor:
    """(size, D) with a mean of zero; codes that stand for nothing stay so."""
    used = book.any(dim=1)
    return (book - book[used].mean(dim=0)) * used[:, None]


def _of_ar(model: ARModel, ordering: Ordering) -> list[Tensor]:
    """The rows (size, D) of each codebook that the AR model writes."""
    words = ordering.vocabulary
    return [model.table[words.start(name) :][: words.sizes[name]] for name in words.code_ranges]


def _of_nar(model: NARModel) -> list[Tensor]:
    """The rows (size, D) of each codebook."""
    return [model.table[q * model.size : (q + 1) * model.size] for q in range(model.codebooks)]
