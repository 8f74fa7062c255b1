"""Top-k sampling."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import check_temperature, draw, weigh_kept


@decoders.register("topk")
class TopK:
    """Samples from the k likeliest ids; ids as likely as the k-th are kept too.

    keep_triggers: the k are chosen among the codes, and a trigger keeps the chance that the
    model gave it. False chooses among all ids.
    """

    history = 0

    def __init__(self, k: int = 50, temperature: float = 1.0, keep_triggers: bool = True):
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        check_temperature(temperature)
        self.k = k
        self.temperature = temperature
        self.keep_triggers = keep_triggers

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, (B, 2) uniforms -> (B,) ids."""
        scaled = logits / self.temperature
        chosen = codes if self.keep_triggers else torch.ones_like(codes)
        among = scaled.masked_fill(~chosen, float("-inf"))
        kept = among >= among.topk(min(self.k, among.shape[-1]), dim=-1).values[:, -1:]
        return draw(weigh_kept(scaled.softmax(dim=-1), kept, chosen), uniforms[:, 0])
