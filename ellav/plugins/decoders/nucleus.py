"""Nucleus (top-p) sampling, arXiv 1904.09751."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import check_temperature, draw_nucleus


@decoders.register("nucleus")
class Nucleus:
    """Samples from the smallest set of likeliest ids whose probability reaches top_p."""

    history = 0

    def __init__(self, top_p: float = 0.8, temperature: float = 1.0):
        if not 0 <= top_p <= 1:
            raise ValueError(f"top_p must lie between 0 and 1, not {top_p}")
        check_temperature(temperature)
        self.top_p = top_p
        self.temperature = temperature

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, (B, 2) uniforms -> (B,) ids."""
        probabilities = (logits / self.temperature).softmax(dim=-1)
        return draw_nucleus(probabilities, self.top_p, uniforms[:, 0])
