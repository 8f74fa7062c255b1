"""What the sampling decoders share: drawing by inverse distribution function."""

from __future__ import annotations

import torch


def check_temperature(temperature: float) -> None:
    """Raises ValueError unless the temperature is positive, and such that logits divided by it stay numbers."""
    if not 1e-6 <= temperature <= 1e6:
        raise ValueError(f"temperature must be positive, not {temperature}; use the greedy decoder for 0")


def draw(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """(B, V) non-negative weights and (B,) uniforms in [0, 1) -> (B,) indices.

    Never an index of weight 0, whatever the rounding.
    """
    mass = probabilities.cumsum(dim=-1)
    total = mass[:, -1:]
    index = (mass <= uniform[:, None] * total).sum(dim=-1)
    last = probabilities.shape[-1] - 1 - (probabilities > 0).flip(-1).to(torch.uint8).argmax(dim=-1)
    return torch.minimum(index, last)


def draw_nucleus(probabilities: torch.Tensor, top_p: float, uniform: torch.Tensor) -> torch.Tensor:
    """Draw from the smallest set of likeliest ids whose mass reaches top_p.

    The likeliest id is always in the set, so top_p = 0 is greedy.
    """
    ranked, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    before = ranked.cumsum(dim=-1) - ranked
    kept = before < top_p
    kept[:, 0] = True
    place = draw(ranked * kept, uniform)
    return ids.gather(-1, place[:, None])[:, 0]
