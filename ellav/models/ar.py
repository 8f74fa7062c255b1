"""The autoregressive model: token rows of an ordering in, logits of the next row out."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.models.cached import CachedAR
from ellav.models.options import ModelOptions
from ellav.models.transformer import Transformer, embedding_table
from ellav.plugins.orderings import Ordering
from ellav.types import NONE


class ARModel(nn.Module):
    """One embedding table, a Transformer, and an output tied to the ids that can be sampled.

    vocabulary: number of ids V. sampled: (O,) ids that logits stand for, in this order.
    streams: ids per row S. combine: how a row's embeddings become one. depth: whether the ids of a row are drawn one
    after the other, each knowing those before it.
    Attributes: `sampled` (O,) int64 and `column` (V,) int64, the place of an id in
    `sampled` or -1.
    """

    def __init__(
        self,
        options: ModelOptions,
        vocabulary: int,
        sampled: np.ndarray,
        streams: int,
        combine: str,
        depth: bool = False,
    ):
        super().__init__()
        width = options.width
        self.options, self.streams, self.combine = options, streams, combine
        # Half of what would make inputs of unit size: every block starts as the identity, so
        # a row's output first points at its own id, with a logit of half the root of the width.
        self.table = embedding_table(vocabulary, width, 0.5 * width**-0.5)
        self.join = nn.Linear(streams * width, width, bias=False) if combine == "concat" and streams > 1 else None
        self.split = nn.Linear(width, streams * width, bias=False) if streams > 1 else None
        self.transformer = Transformer(options)
        self.depth = nn.Linear(width, width, bias=False) if depth and streams > 1 else None
        if self.depth is not None:
            nn.init.zeros_(self.depth.weight)
        sampled = np.asarray(sampled, np.int64)
        column = np.full(vocabulary, NONE, np.int64)
        column[sampled] = np.arange(len(sampled))
        self.register_buffer("sampled", torch.from_numpy(sampled), persistent=False)
        self.register_buffer("column", torch.from_numpy(column), persistent=False)

    @classmethod
    def of(cls, ordering: Ordering, options: ModelOptions) -> ARModel:
        """The model for a bound ordering."""
        depth = getattr(ordering, "depth", False)
        return cls(options, ordering.vocabulary.size, sampled_ids(ordering), ordering.streams, ordering.combine, depth)

    def forward(self, ids: Tensor, positions: Tensor, lengths: list[int], text_lens: list[int] | None = None) -> Tensor:
        """Hidden states (T, D) of packed sequences: ids (T, S), positions (T,).

        lengths: rows of each sequence. text_lens: rows of each text prefix; needed, and
        read, only where the options ask for full attention among them.
        """
        return self.transformer(self.embed(ids), positions, lengths, True, self._text(text_lens))

    def cached(self, dtype: torch.dtype | None = None) -> CachedAR:
        """The model as it is now, ready to decode."""
        return CachedAR(self, dtype)

    def embed(self, ids: Tensor) -> Tensor:
        """(..., S) ids -> (..., D); the id -1 counts as zero."""
        scaled = self._each(ids)  # (..., S, D)
        if self.join is not None:
            return self.join(scaled.flatten(-2))
        return scaled.squeeze(-2) if self.streams == 1 else scaled.sum(-2)

    def head(self) -> Tensor:
        """(O, D): the table's rows of the `sampled` ids, which score them too."""
        return self.table[self.sampled]

    def logits(self, hidden: Tensor, ids: Tensor | None = None) -> Tensor:
        """(..., D) -> (..., S, O): scores of the `sampled` ids in each stream.

        ids: (..., S), what is drawn, which those after it in the row know where the model has depth; without it the
        scores lack what `after` adds.
        """
        if self.split is not None:
            hidden = self.split(hidden).unflatten(-1, (self.streams, -1))
        else:
            hidden = hidden.unsqueeze(-2)
        if self.depth is not None and ids is not None:
            known = self._each(ids)
            hidden = hidden + self.depth(known.cumsum(-2) - known)
        return F.linear(hidden, self.head())

    def after(self, ids: Tensor) -> Tensor:
        """(..., s) ids drawn first in a row, in a model with depth -> (..., O): what they add to the scores of the next
        stream."""
        return F.linear(self.depth(self._each(ids).sum(-2)), self.head())

    def _each(self, ids: Tensor) -> Tensor:
        """(..., S) ids -> (..., S, D), zeros for the id -1."""
        none = len(self.table) - 1
        ids = torch.where(ids < 0, none, ids)
        return F.embedding(ids, self.table, padding_idx=none) * self.options.width**0.5

    def _text(self, text_lens):
        if self.options.text_attention == "causal":
            return None
        if text_lens is None:
            raise ValueError("full text attention needs text_lens")
        return text_lens


def sampled_ids(ordering: Ordering) -> np.ndarray:
    """(O,) ids that any state may sample, and every control, since one may close a sequence."""
    wanted = np.zeros(ordering.vocabulary.size, dtype=bool)
    for state in ordering.states:
        wanted |= np.asarray(state.allowed).any(axis=0)
        if state.trigger >= 0:
            wanted[state.trigger] = True
    controls = [name for name, size in ordering.vocabulary.sizes.items() if size == 1]
    return np.flatnonzero(wanted | ordering.vocabulary.mask(*controls))
