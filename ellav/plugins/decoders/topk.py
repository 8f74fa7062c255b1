"""Top-k sampling."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import check_temperature, draw


@decoders.register("topk")
class TopK:
    """Samples from the k likeliest ids; ids as likely as the k-th are kept too."""

    history = 0

    def __init__(self, k: int = 50, temperature: float = 1.0):
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        check_temperature(temperature)
        self.k = k
        self.temperature = temperature

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, (B, 2) uniforms -> (B,) ids."""
        scaled = logits / self.temperature
        least = scaled.topk(min(self.k, scaled.shape[-1]), dim=-1).values[:, -1:]
        probabilities = scaled.masked_fill(scaled < least, float("-inf")).softmax(dim=-1)
        return draw(probabilities, uniforms[:, 0])
