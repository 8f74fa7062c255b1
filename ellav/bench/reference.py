"""A textbook Transformer, as good as anyone writes in an hour: what engine and trainer are measured beside.

Fused projections, fused attention, a preallocated cache, nucleus sampling; one length for a whole batch that is
decoded, padding in one that is learned from; no phones, no triggers, one id a row.
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
        self.heads, self.dropout = options.heads, options.dropout
        self.attention_norm, self.ffn_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, options.ffn), nn.Linear(options.ffn, width)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, causal: bool, mask: Tensor | None, cache, start: int):
        """x: (B, W, D). cos, sin: (W, hd). mask: (B, 1, 1, W), the keys that are seen, or None for all.
        cache: (2, B, H, L, hd), of which `start` entries are known, or None."""
        batch, width, _ = x.shape
        q, k, v = self.qkv(self.attention_norm(x)).view(batch, width, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = (
            y * cos + torch.cat([-y[..., y.shape[-1] // 2 :], y[..., : y.shape[-1] // 2]], -1) * sin for y in (q, k)
        )
        if cache is not None:
            cache[0, :, :, start : start + width], cache[1, :, :, start : start + width] = k, v
            k, v = cache[:, :, :, : start + width]
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal and width > 1)
        x = x + F.dropout(self.out(y.transpose(1, 2).reshape(batch, width, -1)), self.dropout, self.training)
        return x + F.dropout(self.down(F.gelu(self.up(self.ffn_norm(x)))), self.dropout, self.training)


class Reference(nn.Module):
    """Ids in, hidden states out. vocabulary: V."""

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

    def forward(
        self,
        ids: Tensor,
        causal: bool,
        mask: Tensor | None = None,
        cache: Tensor | None = None,
        start: int = 0,
    ) -> Tensor:
        """(B, W) ids at positions from `start` on -> (B, W, D). mask, cache: see ReferenceBlock."""
        half = self.options.width // self.options.heads // 2
        frequencies = 10000.0 ** (-torch.arange(half, device=ids.device) / half)
        angles = torch.arange(start, start + ids.shape[1], device=ids.device)[:, None] * frequencies
        angles = torch.cat([angles, angles], -1)
        x = F.dropout(self.table(ids), self.options.dropout, self.training)
        cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        for layer, block in enumerate(self.blocks):
            x = block(x, cos, sin, causal, mask, None if cache is None else cache[layer], start)
        return self.norm(x)

    @torch.inference_mode()
    def generate(self, prefix: Tensor, rows: int, top_p: float = 0.8) -> Tensor:
        """(B, P) ids -> (B, P + rows), one after another, in `rows` steps."""
        ids, cache = prefix, self.cache(len(prefix), prefix.shape[1] + rows)
        fed = prefix
        for _ in range(rows):
            hidden = self(fed, True, cache=cache, start=ids.shape[1] - fed.shape[1])
            ranked, order = self.head(hidden[:, -1]).float().softmax(-1).sort(descending=True)
            ranked = ranked.masked_fill(ranked.cumsum(-1) - ranked > top_p, 0)
            fed = order.gather(1, torch.multinomial(ranked, 1))
            ids = torch.cat([ids, fed], 1)
        return ids

    @torch.inference_mode()
    def complete(self, ids: Tensor, passes: int) -> Tensor:
        """(B, W) ids -> (B, W), the likeliest in each place, so many times over: what a NAR model does."""
        for _ in range(passes):
            ids = self.head(self(ids, False)).argmax(-1)
        return ids

    def loss(self, ids: Tensor, lengths: list[int], causal: bool) -> Tensor:
        """Of (B, W) ids, padded behind `lengths`: the sum over all rows but padding, of the next id where causal,
        otherwise of the same."""
        within = torch.arange(ids.shape[1], device=ids.device) < torch.tensor(lengths, device=ids.device)[:, None]
        hidden, targets = self(ids, causal, None if causal else within[:, None, None, :]), ids
        if causal:
            hidden, targets, within = hidden[:, :-1], ids[:, 1:], within[:, 1:]
        return F.cross_entropy(self.head(hidden[within]).float(), targets[within], reduction="sum")
