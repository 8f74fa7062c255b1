"""Greedy decoding: always the likeliest id."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders


@decoders.register("greedy")
class Greedy:
    """Takes the id of the highest logit; the lowest id among equals."""

    history = 0

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits -> (B,) ids."""
        return logits.argmax(dim=-1)
