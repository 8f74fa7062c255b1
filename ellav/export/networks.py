"""The two models as functions of tensors alone, one sequence at a time: what their ONNX graphs compute."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.models.ar import ARModel
from ellav.models.nar import PLACES, NARModel
from ellav.types import NONE


class ARRows(nn.Module):
    """Some rows of a sequence, behind the cache of those before them."""

    def __init__(self, model: ARModel):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor, positions: Tensor, sees: Tensor, cache: Tensor) -> tuple[Tensor, Tensor]:
        """What may follow the last row, and what the rows add to the cache.

        ids: (T, S) int64, -1 for none. positions: (T,) int64. sees: (T,) int64, how many rows of the sequence, from the
        first one on, each of these attends to. cache: (P, layers, 2, G, hd) float32, keys and values of the P rows
        before; P may be 0. Returns logits (S, O) and entries (T, layers, 2, G, hd).
        """
        entries: list[Tensor] = []  # (T, 2, G, hd) of each layer
        hidden = torch.arange(cache.shape[0] + ids.shape[0]) >= sees[:, None]  # (T, P + T)
        bias = torch.zeros(hidden.shape).masked_fill(hidden, float("-inf"))

        def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            new = torch.stack([k, v], dim=1)
            keys, values = torch.cat([cache[:, len(entries)], new]).unbind(1)  # (P + T, G, hd) each
            entries.append(new)
            return attention(q, keys, values, bias)

        rows = self.model.transformer.through(self.model.embed(ids), positions, attend)
        return self.model.logits(rows[-1]), torch.stack(entries, dim=1)


class ARDepth(nn.Module):
    """What the ids drawn first in a row say of the next one."""

    def __init__(self, model: ARModel):
        super().__init__()
        self.model = model

    def forward(self, ids: Tensor) -> Tensor:
        """(s,) int64 ids of the first streams -> (O,), what is added to the logits of the next stream."""
        return self.model.after(ids)


class NARLevel(nn.Module):
    """One codebook of an utterance, from its phones, its prompt and the codebooks before."""

    def __init__(self, model: NARModel):
        super().__init__()
        self.model = model

    def forward(self, phones: Tensor, durations: Tensor, codes: Tensor, prompt: Tensor, codebook: Tensor) -> Tensor:
        """Logits (T, size) of the entries of `codebook` in each frame; those of the prompt mean nothing.

        phones, durations: (N,) int64; durations sum to T, and are not read where the model has its text in front.
        codes: (T, Q) int64, of which after the first `prompt` frames only those below `codebook` are read. prompt,
        codebook: () int64.
        """
        model, frames = self.model, codes.shape[0]
        at_phones = model.codebooks * model.size
        books, numbers = torch.arange(model.codebooks), torch.arange(frames)
        known = (books < codebook) | (numbers[:, None] < prompt)  # (T, Q)
        x = self._sums(torch.where(known, codes + books * model.size, NONE))
        positions = numbers
        if model.options.text == "prefix":
            x = torch.cat([self._sums(phones[:, None] + at_phones), x])
            positions = torch.cat([torch.arange(phones.shape[0]), numbers])
        else:
            ends = durations.cumsum(0)
            owners = (numbers[:, None] >= ends).sum(1)  # (T,), the phone that each frame belongs to
            x = x + self._sums(phones[owners][:, None] + at_phones)
            if model.options.place:
                lasts = durations[owners]
                part = (numbers - (ends[owners] - lasts)) * PLACES // lasts
                x = x + self._sums(part[:, None] + at_phones + model.phones)
        hidden = model.transformer.through(x, positions, attention, codebook - model.known)
        weight = model.table[codebook * model.size + torch.arange(model.size)]
        return F.linear(hidden[-frames:], weight)

    def _sums(self, ids: Tensor) -> Tensor:
        """(R, n) entries of the table, -1 for none -> the sums (R, D) of their embeddings."""
        each = self.model.table[ids.clamp(min=0)] * (ids >= 0)[..., None]  # (R, n, D)
        return each.sum(1) * self.model.options.width**0.5


def attention(q: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None) -> Tensor:
    """Queries (T, H, hd), keys and values (L, G, hd), bias (T, L) -> (T, H, hd); each head of the latter for H / G."""
    groups = keys.shape[1]
    q = q.unflatten(1, (groups, -1)).permute(1, 2, 0, 3)  # (G, H / G, T, hd)
    scores = q @ keys.permute(1, 2, 0)[:, None] * keys.shape[2] ** -0.5  # (G, H / G, T, L)
    if bias is not None:
        scores = scores + bias
    return (scores.softmax(-1) @ values.transpose(0, 1)[:, None]).permute(2, 0, 1, 3).flatten(1, 2)
