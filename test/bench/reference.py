"""A textbook decoder-only Transformer, as good as anyone writes in an hour: what the engine is measured beside.

Fused projections, fused attention, a preallocated cache, nucleus sampling; one length for the whole batch, no phones,
no triggers, no ragged rows.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.models.options import ModelOptions


class ReferenceBlock(nn.Module):
    """Attention with rotary positions, then a GELU network, a norm before each."""

    def __init__(self, options: ModelOptions):
        super().__init__()
        width = options.width
        self.heads = options.heads
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, options.ffn), nn.Linear(options.ffn, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, cache: Tensor, start: int) -> Tensor:
        """x: (B, W, D). cos, sin: (W, hd). cache: (2, B, H, L, hd), of which `start` entries are known."""
        batch, width, _ = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = (
            y * cos + torch.cat([-y[..., y.shape[-1] // 2 :], y[..., : y.shape[-1] // 2]], -1) * sin for y in (q, k)
        )
        cache[0, :, :, start : start + width], cache[1, :, :, start : start + width] = k, v
        known = cache[:, :, :, : start + width]
        y = F.scaled_dot_product_attention(q, known[0], known[1], is_causal=width > 1)
        x = x + self.out(y.transpose(1, 2).reshape(batch, width, -1))
        return x + self.down(F.gelu(self.up(self.ffn_norm(x))))


class Reference(nn.Module):
    """Ids in, ids out. vocabulary: V."""

    def __init__(self, options: ModelOptions, vocabulary: int):
        super().__init__()
        self.options = options
        self.table = nn.Embedding(vocabulary, options.width)
        self.blocks = nn.ModuleList(ReferenceBlock(options) for _ in range(options.layers))
        self.norm, self.head = nn.LayerNorm(options.width), nn.Linear(options.width, vocabulary, bias=False)

    def cache(self, batch: int, length: int) -> Tensor:
        """(layers, 2, B, H, L, hd)."""
        o, weight = self.options, self.table.weight
        shape = (o.layers, 2, batch, o.heads, length, o.width // o.heads)
        return torch.zeros(shape, dtype=weight.dtype, device=weight.device)

    def forward(self, ids: Tensor, cache: Tensor, start: int) -> Tensor:
        """(B, W) ids at positions from `start` on -> (B, V) logits after the last."""
        half = self.options.width // self.options.heads // 2
        frequencies = 10000.0 ** (-torch.arange(half, device=ids.device) / half)
        angles = torch.arange(start, start + ids.shape[1], device=ids.device)[:, None] * frequencies
        angles = torch.cat([angles, angles], -1)
        x = self.table(ids)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer, block in enumerate(self.blocks):
            x = block(x, cos, sin, cache[layer], start)
        return self.head(self.norm(x[:, -1]))

    @torch.inference_mode()
    def generate(self, prefix: Tensor, rows: int, top_p: float = 0.8) -> Tensor:
        """(B, P) ids -> (B, P + rows)."""
        ids, cache = prefix, self.cache(len(prefix), prefix.shape[1] + rows)
        logits = self(ids, cache, 0)
        for _ in range(rows):
            ranked, order = logits.float().softmax(-1).sort(descending=True)
            ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked > top_p, 0)
            chosen = order.gather(1, torch.multinomial(ranked, 1))
            ids = torch.cat([ids, chosen], 1)
            logits = self(chosen, cache, ids.shape[1] - 1)
        return ids
