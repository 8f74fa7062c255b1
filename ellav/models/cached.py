"""An AR model as decoding uses it: its weights laid out for a few rows at a time, and a key-value cache."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.backends import mkldnn

from ellav.models.device import sent
from ellav.models.gpu_attention import CacheReading, reads_caches
from ellav.models.products import product
from ellav.models.transformer import ROWS, Block, LevelNorm, attending

if TYPE_CHECKING:
    from ellav.models.ar import ARModel


FEW = 1 << 17
"""Numbers of which no second thread is worth waking."""
SHORTEST = 512
"""Entries of a cache whose length is a power of two, at least."""


def rounded(count: int, least: int = 1) -> int:
    """The power of two from `least` on that is not below `count`."""
    return max(least, 1 << (count - 1).bit_length())


class KVCache:
    """Keys, then values, of all layers: entries (layers, 2, B, G, L, hd), G heads of keys and values.

    seldom: lengths are powers of two, so that shapes change seldom.
    """

    def __init__(self, shape: tuple[int, ...], dtype: torch.dtype, device: torch.device, seldom: bool):
        self._seldom = seldom
        length = rounded(shape[4], SHORTEST) if self._seldom else shape[4]
        self.entries = torch.zeros((*shape[:4], length, shape[5]), dtype=dtype, device=device)
        self._count()

    @property
    def length(self) -> int:
        """Entries that a row has room for."""
        return self.entries.shape[4]

    def grow(self, length: int) -> None:
        """Make room for `length` entries a row."""
        if length > self.length:
            length = rounded(length, SHORTEST) if self._seldom else length
            self.entries = F.pad(self.entries, (0, 0, 0, length - self.length))
            self._count()

    def _count(self) -> None:
        """owners (B, 1, 2, G): where entry 0 of keys and values stands, all rows and heads laid end to end."""
        rows, heads, length = self.entries.shape[2:5]
        kind, head, row = (torch.arange(n, device=self.entries.device) for n in (2, heads, rows))
        self.owners = (kind[:, None] * rows * heads + head + row[:, None, None, None] * heads) * length


class Layer:
    """The products of a block, with its norms' scales and shifts inside."""

    def __init__(self, block: Block, order: Tensor | None, dtype: torch.dtype):
        weight, bias = folded(block.attention_norm, block.qkv.weight)
        self.qkv = product(weight, bias, dtype) if order is None else product(weight[order], bias[order], dtype)
        self.out = product(block.out.weight, None, dtype)
        self.up = product(*folded(block.ffn_norm, block.up.weight), dtype)
        self.down = product(block.down.weight, None, dtype)


class CachedAR:
    """What `model` computes, a few rows at a time, with the keys and values of the rows before them kept.

    dtype: of weights and products, int8 too; keys, values and attention are float32 on a CPU, where that is faster,
    and rotations everywhere. The weights are copies: later changes of `model` are not seen. A step waits for nothing on
    the host and keeps nothing of its own, so that a CUDA graph can hold it.
    """

    @torch.inference_mode()
    def __init__(self, model: ARModel, dtype: torch.dtype | None = None):
        self.options, self.streams = model.options, model.streams
        transformer = model.transformer
        self.device, dtype = model.table.device, dtype or model.table.dtype
        self.dtype = torch.float32 if dtype == torch.int8 else dtype  # of what is between the products
        self.cache_dtype = torch.float32 if self.device.type == "cpu" else self.dtype
        width, heads = self.options.width, self.options.heads
        self._heads, self._groups = heads, self.options.groups
        self._size, self._norm = (width // heads,), (width,)
        self._reads_caches = reads_caches(self.device, self.cache_dtype, width // heads)
        self._rotary = self.options.positions == "rotary"
        self._frequencies = transformer.frequencies.float()
        self._wave = None if self._rotary else transformer.position_scale.to(self.dtype)
        order = pairs_side_by_side(width // heads, heads, self._groups).to(self.device) if self._rotary else None
        self._layers = [Layer(block, order, dtype) for block in transformer.blocks]
        self._table = (model.table * width**0.5).to(self.dtype)
        self._join = model.join.weight.to(self.dtype) if model.join is not None else None
        last = model.split.weight if model.split is not None else model.head()
        self._last = product(*folded(transformer.norm, last), dtype)
        self._head = product(model.head(), None, dtype) if model.split is not None else None
        self._depth = product(model.depth.weight, None, dtype) if model.depth is not None else None

    def cache(self, rows: int, length: int) -> KVCache:
        """An empty cache for `rows` sequences of at most `length` entries."""
        o = self.options
        shape = (o.layers, 2, rows, o.groups, length, o.width // o.heads)
        return KVCache(shape, self.cache_dtype, self.device, self._reads_caches or self.device.type == "cuda")

    @torch.inference_mode()
    def prefill(
        self, ids: Tensor, positions: Tensor, lengths: list[int], text_lens: list[int], cache: KVCache, rows: list[int]
    ) -> Tensor:
        """Begin sequences, packed one after the other: hidden states (N, D) of the last row of each.

        ids: (T, S). positions: (T,). lengths: N, summing to T. text_lens: leading rows of each that see each other
        in both directions, where the options ask for it. rows: of the cache that the sequences fill from 0 on.
        """
        text = text_lens if self.options.text_attention == "full" else None
        more = -len(ids) % ROWS
        among = attending(lengths, len(ids) + more, True, text)

        def attend(layer: int, q: Tensor, kv: Tensor) -> Tensor:
            if self.device.type == "cuda":  # rotations leave float32, which the kernel does not take
                q, kv = q.to(self.cache_dtype), kv.to(self.cache_dtype)
            first = 0
            for row, length in zip(rows, lengths, strict=True):
                new = kv[first : first + length].permute(1, 2, 0, 3)  # (2, G, n, hd)
                cache.entries[layer, :, row, :, :length] = new.to(self.cache_dtype)
                first += length
            return among(q, *kv.unbind(1))

        hidden = self._run(self._embed(F.pad(ids, (0, 0, 0, more))), F.pad(positions, (0, more)), attend)
        ends = np.cumsum(lengths) - 1
        return hidden[sent(torch.from_numpy(ends), self.device)]

    @torch.inference_mode()
    def step(
        self, ids: Tensor, positions: Tensor, cache: KVCache, start: Tensor, reach: int, level: bool = False
    ) -> Tensor:
        """Hidden states (B, W, D) of W new rows of each sequence; B may be less than the cache has.

        ids: (B, W, S). positions: (B, W). start: (B,), where in the cache each sequence's new entries go; the row at
        place p sees the entries up to p. What is written beyond a sequence's real end may be anything finite: a later
        step overwrites it. reach: entries that are read, at least max(start) + W; or more of them, hidden, so that
        shapes stay. level: W is 1 and every sequence's new entry goes to reach - 1, so that nothing has to be hidden.
        """
        count, width = ids.shape[:2]
        places = start[:, None] + torch.arange(width, device=self.device)  # (B, W)
        # Where entries go, with those of keys and values, all rows and heads laid end to end: (B, W, 2, G).
        flat = (cache.owners[:count] + places[:, :, None, None]).flatten()
        read = self._reading(cache, start, places, reach, level)

        def attend(layer: int, q: Tensor, kv: Tensor) -> Tensor:
            entries = cache.entries[layer]  # (2, rows, G, L, hd)
            entries.view(-1, entries.shape[-1]).index_copy_(0, flat, kv.to(self.cache_dtype).flatten(0, 2))
            return read(q.to(self.cache_dtype), entries)

        return self._run(self._embed(ids.flatten(0, 1)), positions.flatten(), attend).view(count, width, -1)

    def logits(self, hidden: Tensor) -> Tensor:
        """(N, D) -> (N, S, O) float32: scores of the model's `sampled` ids in each stream, less what `after` adds."""
        out = self._last(hidden)
        if self._head is not None:
            out = self._head(out.view(-1, self.options.width))
        return out.float().view(len(hidden), self.streams, -1)

    def after(self, ids: Tensor) -> Tensor | None:
        """(N, s) ids drawn first in a row -> (N, O) float32: what they add to the scores of the next stream, None in a
        model without depth."""
        if self._depth is None:
            return None
        return self._head(self._depth(self._table[ids].sum(1))).float()

    def _reading(
        self, cache: KVCache, start: Tensor, places: Tensor, reach: int, level: bool
    ) -> Callable[[Tensor, Tensor], Tensor]:
        """Of all layers of a step: queries (B W, H, hd) and a layer's entries -> (B W, H, hd) or (B, W, H, hd)."""
        count, width = places.shape
        if self._reads_caches:
            return CacheReading(start, width, cache.length)
        mask = None
        if not level:
            shared = places.repeat_interleave(self._heads // self._groups, dim=1)  # (B, W H/G)
            hidden = torch.arange(reach, device=self.device) > shared[:, None, :, None]  # (B, 1, W H/G, L)
            # In floats once, which torch would else make of it in every layer.
            mask = torch.zeros(hidden.shape, dtype=self.cache_dtype, device=self.device)
            mask.masked_fill_(hidden, float("-inf"))

        def read(q: Tensor, entries: Tensor) -> Tensor:
            keys, values = entries[:, :count, :, :reach].unbind(0)
            # The queries that share keys stand one below the other, as if they were rows: (B, G, W H/G, hd).
            q = q.view(count, width, self._groups, -1, self._size[0]).transpose(1, 2).flatten(2, 3)
            out = F.scaled_dot_product_attention(q, keys, values, attn_mask=mask)
            return out.unflatten(2, (width, -1)).transpose(1, 2)

        return read

    def _embed(self, ids: Tensor) -> Tensor:
        """(N, S) ids, -1 for none -> (N, D)."""
        each = self._table[ids]  # (N, S, D); the last row of the table, which -1 names, is zeros
        if self._join is not None:
            return F.linear(each.flatten(1), self._join)
        return each.squeeze(1) if self.streams == 1 else each.sum(1)

    def _run(self, x: Tensor, positions: Tensor, attend: Callable[[int, Tensor, Tensor], Tensor]) -> Tensor:
        """Rows (N, D) at positions (N,) -> normal hidden states (N, D).

        attend: of a layer, queries (N, H, hd) and keys and values (N, 2, G, hd) -> N times (H, hd).
        """
        heads, groups = self._heads, self._groups
        angles = positions[:, None].float() * self._frequencies  # (N, half)
        turn = None
        if self._rotary:
            turn = torch.polar(torch.ones_like(angles), angles)[:, None]  # (N, 1, hd/2)
        else:
            x = x + self._wave * torch.cat([angles.sin(), angles.cos()], dim=-1).to(x.dtype)
        for number, layer in enumerate(self._layers):
            qkv = layer.qkv(F.layer_norm(x, self._norm))
            qkv = qkv.view(len(x), heads + 2 * groups, -1)  # (N, H + 2 G, hd)
            if self.options.qk_norm:
                qkv[:, : heads + groups] = F.layer_norm(qkv[:, : heads + groups], self._size)
            if turn is not None:
                qkv = qkv.float()
                torch.view_as_complex(qkv[:, : heads + groups].unflatten(-1, (-1, 2))).mul_(turn)
            out = attend(number, qkv[:, :heads], qkv[:, heads:].unflatten(1, (2, groups)))
            x = layer.out(out.reshape(len(x), -1).to(x.dtype), onto=x)
            x = layer.down(gelu(layer.up(F.layer_norm(x, self._norm))), onto=x)
        return F.layer_norm(x, self._norm)


def gelu(x: Tensor) -> Tensor:
    """`F.gelu`. For few numbers on a CPU without oneDNN, which torch asks otherwise, and which starts all threads."""
    if x.device.type != "cpu" or x.numel() > FEW or not mkldnn.enabled:
        return F.gelu(x)
    mkldnn.enabled = False
    try:
        return F.gelu(x)
    finally:
        mkldnn.enabled = True


def folded(norm: LevelNorm, weight: Tensor) -> tuple[Tensor, Tensor]:
    """A norm's scale and shift moved into the product after it: its new weight (O, D) and bias (O,)."""
    return weight * norm.weight, weight @ norm.bias


def pairs_side_by_side(size: int, heads: int, groups: int) -> Tensor:
    """(hd (H + 2 G),): the outputs of queries, keys and values reordered so that what a rotation turns together, i
    and i + hd / 2 of a head of queries or keys, becomes a complex number. size: hd."""
    pairs = torch.arange(size).view(2, -1).t().flatten()
    turned = (torch.arange(heads + groups)[:, None] * size + pairs).flatten()
    return torch.cat([turned, torch.arange((heads + groups) * size, (heads + 2 * groups) * size)])
