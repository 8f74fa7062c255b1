"""One pre-norm Transformer over packed sequences."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.models import gpu_attention
from ellav.models.cpu_attention import BlockAttention
from ellav.models.options import ModelOptions

ROWS = 128
"""Packed rows are padded to a multiple of this for the linear layers: on CPUs every new
number of rows costs the compilation of its kernels."""


class Transformer(nn.Module):
    """Blocks of attention and a GELU network, with a norm before each and one at the end.

    levels > 0 gives every norm a scale and a shift of its own for each level (AdaLN).
    """

    def __init__(self, options: ModelOptions, levels: int = 0):
        super().__init__()
        self.options = options
        self.blocks = nn.ModuleList(Block(options, levels) for _ in range(options.layers))
        self.norm = LevelNorm(options.width, levels)
        half = (options.width if options.positions == "sinusoidal" else options.width // options.heads) // 2
        frequencies = 10000.0 ** (-torch.arange(half, device="cpu") / half)  # real where the weights are yet to come
        self.register_buffer("frequencies", frequencies, persistent=False)
        if options.positions == "sinusoidal":
            self.position_scale = nn.Parameter(torch.ones(1))

    def _apply(self, fn, recurse: bool = True):
        """As for any module, but frequencies keep their digits where weights lose some: rounded to bfloat16 they would
        be off by radians after a thousand rows."""
        exact = self.frequencies
        super()._apply(fn, recurse)
        self.frequencies = exact.to(self.frequencies.device)
        return self

    def forward(
        self,
        x: Tensor,
        positions: Tensor,
        lengths: list[int],
        causal: bool,
        text_lens: list[int] | None = None,
        level: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (T, D) of sequences that stand one after the other, without padding.

        x: (T, D). positions: (T,). lengths: rows of each sequence, summing to T.
        text_lens: leading rows of each sequence that see each other in both directions
        although `causal`. level: () or (T,), for AdaLN.
        """
        rows, more = len(x), -len(x) % ROWS
        attend = attending(lengths, rows + more, causal, text_lens)
        if level is not None and level.ndim:
            level = F.pad(level, (0, more))
        x, positions = F.pad(x, (0, 0, 0, more)), F.pad(positions, (0, more))
        return self.through(x, positions, attend, level)[:rows]

    def through(
        self,
        x: Tensor,
        positions: Tensor,
        attend: Callable[[Tensor, Tensor, Tensor], Tensor],
        level: Tensor | None = None,
    ) -> Tensor:
        """Hidden states (T, D) of rows x (T, D) at positions (T,), whatever they see.

        attend: queries (T, H, hd), keys and values (T, G, hd) of one block after the other -> (T, H, hd).
        """
        angles = positions[..., None].float() * self.frequencies.float()  # (..., half)
        rotation = None
        if self.options.positions == "sinusoidal":
            waves = torch.cat([angles.sin(), angles.cos()], dim=-1)  # (..., D)
            x = x + self.position_scale.to(x.dtype) * waves.to(x.dtype)
        else:
            angles = angles[..., None, :]  # (..., 1, hd/2)
            cos, sin = angles.cos(), angles.sin()
            rotation = torch.cat([cos, cos], dim=-1), torch.cat([-sin, sin], dim=-1)  # (..., 1, hd) each
        x = F.dropout(x, self.options.dropout, self.training)
        for block in self.blocks:
            x = block(x, attend, rotation, level)
        return self.norm(x, level)


class Block(nn.Module):
    """x + attention(norm(x)), then x + network(norm(x))."""

    def __init__(self, options: ModelOptions, levels: int):
        super().__init__()
        width = options.width
        self.heads, self.groups = options.heads, options.groups
        self.dropout, self.qk_norm = options.dropout, options.qk_norm
        self.attention_norm = LevelNorm(width, levels)
        self.qkv = nn.Linear(width, width + 2 * self.groups * (width // self.heads), bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.ffn_norm = LevelNorm(width, levels)
        self.up = nn.Linear(width, options.ffn, bias=False)
        self.down = nn.Linear(options.ffn, width, bias=False)
        for linear in (self.qkv, self.up):
            if not linear.weight.is_meta:
                nn.init.normal_(linear.weight, std=width**-0.5)
        for linear in (self.out, self.down):  # every block starts as the identity
            nn.init.zeros_(linear.weight)

    def forward(self, x: Tensor, attend: Callable, rotation, level: Tensor | None) -> Tensor:
        heads, groups = self.heads, self.groups
        qkv = self.qkv(self.attention_norm(x, level)).unflatten(-1, (heads + 2 * groups, -1))
        qk, v = qkv.split([heads + groups, groups], dim=-2)  # (..., H + G, hd), (..., G, hd)
        if self.qk_norm:
            qk = F.layer_norm(qk, qk.shape[-1:])
        if rotation is not None:
            qk = rotate(qk, *rotation)
        q, k = qk.split([heads, groups], dim=-2)
        x = x + F.dropout(self.out(attend(q, k, v).flatten(-2)), self.dropout, self.training)
        hidden = F.gelu(self.up(self.ffn_norm(x, level)))  # (..., ffn)
        return x + F.dropout(self.down(hidden), self.dropout, self.training)


class LevelNorm(nn.Module):
    """Layer norm; with levels, scaled and shifted by what belongs to the row's level."""

    def __init__(self, width: int, levels: int):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))
        self.by_level = nn.Parameter(torch.zeros(levels, 2 * width)) if levels else None

    def forward(self, x: Tensor, level: Tensor | None) -> Tensor:
        x = F.layer_norm(x, x.shape[-1:], self.weight, self.bias)
        if level is None or self.by_level is None:
            return x
        scale, shift = F.embedding(level, self.by_level).to(x.dtype).chunk(2, dim=-1)
        return torch.addcmul(x + shift, x, scale)


def embedding_table(entries: int, width: int, scale: float) -> nn.Parameter:
    """(entries + 1, width): normal numbers, and a row of zeros at the end, the embedding of -1.

    Without memory, on torch's device `meta`, nothing is drawn: weights are to be read into it,
    and torch would load a compiler (seconds) to say what drawing there comes to.
    """
    table = torch.empty(entries + 1, width)
    if not table.is_meta:
        table = torch.randn(entries + 1, width) * scale
        table[entries] = 0
    return nn.Parameter(table)


def attending(
    lengths: list[int], rows: int, causal: bool, text_lens: list[int] | None
) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """`packed_attention` of these sequences for all layers of a model, padded to `rows`; what a GPU has to know of them
    is told it once."""
    packing: gpu_attention.Packing | None = None

    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        nonlocal packing
        if not gpu_attention.takes(v.device, v.dtype, v.shape[-1]):
            return packed_attention(q, k, v, lengths, causal, text_lens)
        if packing is None:
            packing = gpu_attention.Packing(lengths, rows, causal, text_lens, v.device)
        return packing(q, k, v)

    return attend


def packed_attention(
    q: Tensor, k: Tensor, v: Tensor, lengths: list[int], causal: bool, text_lens: list[int] | None
) -> Tensor:
    """Attention (T, H, hd) of each packed sequence to itself alone; zeros in rows behind the last one.

    q: (T, H, hd). k, v: (T, G, hd), each head of them for H / G heads of queries.
    """
    rows, shared = sum(lengths), q.shape[1] // k.shape[1]
    more = len(q) - rows
    if shared > 1:
        k, v = (each.repeat_interleave(shared, dim=1) for each in (k, v))  # (T, H, hd)
    out = []
    pieces = zip(*(t[:rows].transpose(0, 1).split(lengths, dim=1) for t in (q, k, v)), strict=True)
    for index, (a, b, c) in enumerate(pieces):  # (H, n, hd) each
        seen = attention(a, b, c, causal)
        if causal and text_lens is not None:
            n = text_lens[index]
            seen = torch.cat([attention(a[:, :n], b[:, :n], c[:, :n], False), seen[:, n:]], dim=1)
        out.append(seen.transpose(0, 1))
    return F.pad(torch.cat(out), (0, 0, 0, 0, 0, more))


def attention(q: Tensor, k: Tensor, v: Tensor, causal: bool) -> Tensor:
    """Attention (H, n, hd) within one sequence."""
    if q.requires_grad and q.device.type == "cpu":
        return BlockAttention.apply(q, k, v, causal)
    return F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=causal)[0]


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions: (..., hd) turned by angles whose cosines, and sines with a minus
    before the first half, are (..., hd)."""
    wide = x.float()
    a, b = wide.chunk(2, dim=-1)
    return torch.addcmul(wide * cos, torch.cat([b, a], dim=-1), sin).to(x.dtype)
