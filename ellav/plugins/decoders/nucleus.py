"""Nucleus (top-p) sampling, arXiv 1904.09751."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import check_temperature, check_top_p, draw_nucleus


@decoders.register("nucleus")
class Nucleus:
    """Samples from the smallest set of likeliest ids whose probability reaches top_p.

    keep_triggers: the set is chosen among the codes, and a trigger keeps the chance that the
    model gave it. False chooses among all ids, as VALL-E and ELLA-V do.
    """

    history = 0

    def __init__(self, top_p: float = 0.8, temperature: float = 1.0, keep_triggers: bool = True):
        check_top_p(top_p)
        check_temperature(temperature)
        self.top_p = top_p
        self.temperature = temperature
        self.keep_triggers = keep_triggers

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, (B, 2) uniforms -> (B,) ids."""
        probabilities = (logits / self.temperature).softmax(dim=-1)
        chosen = codes if self.keep_triggers else torch.ones_like(codes)
        return draw_nucleus(probabilities, self.top_p, chosen, uniforms[:, 0])
