"""What the sampling decoders share: drawing by inverse distribution function."""

from __future__ import annotations

import torch

FEW = 128
"""Ids among which a nucleus is looked for before all are sorted."""

TINY = torch.finfo(torch.float32).tiny


def check_temperature(temperature: float) -> None:
    """Raises ValueError unless the temperature is positive, and such that logits divided by it stay numbers."""
    if not 1e-6 <= temperature <= 1e6:
        raise ValueError(f"temperature must be positive, not {temperature}; use the greedy decoder for 0")


def check_top_p(top_p: float) -> None:
    """Raises ValueError unless top_p is a probability."""
    if not 0 <= top_p <= 1:
        raise ValueError(f"top_p must lie between 0 and 1, not {top_p}")


def draw(probabilities: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """(B, V) non-negative weights and (B,) uniforms in [0, 1) -> (B,) indices.

    Never an index of weight 0, whatever the rounding, unless all are.
    """
    mass = probabilities.cumsum(dim=-1)
    total = mass[:, -1:]
    # Below all of the mass, so that what is found has added to it.
    wanted = torch.minimum(uniform[:, None] * total, torch.nextafter(total, torch.zeros_like(total)))
    return (mass <= wanted).sum(dim=-1).clamp_max(probabilities.shape[-1] - 1)


def nucleus(probabilities: torch.Tensor, top_p: float) -> torch.Tensor:
    """(B, V) weights -> (B, V) boolean: the smallest set of likeliest ids that holds top_p of all weight.

    The likeliest id is always in the set, so top_p = 0 is greedy.
    """
    wanted = top_p * probabilities.sum(dim=-1, keepdim=True)
    # On a CPU sorting all ids of a batch takes five times as long as finding the likeliest few, which mostly do.
    enough = probabilities.device.type == "cpu" and probabilities.shape[-1] > 4 * FEW
    if enough:
        ranked, ids = probabilities.topk(FEW, dim=-1)
        enough = bool((ranked.sum(dim=-1, keepdim=True) >= wanted).all())
    if not enough:
        ranked, ids = probabilities.sort(dim=-1, descending=True, stable=True)
    kept = ranked.cumsum(dim=-1) - ranked < wanted
    kept[:, 0].fill_(True)
    return torch.zeros(probabilities.shape, dtype=torch.bool, device=probabilities.device).scatter_(-1, ids, kept)


def weigh_kept(probabilities: torch.Tensor, kept: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
    """Drop unlikely codes and leave every trigger the chance that the model gave it.

    A filter over all ids drops some of the codes' probability at nearly every step and hardly
    ever any of the trigger's, where triggers are likely: so they would come too early, and
    phones end too soon (docs/synthesis.md has figures). Here the codes that are kept
    share the probability of all codes.

    probabilities: (B, V). kept: (B, V) boolean, which codes stay, the likeliest among them; what it says of
    other ids does not count. codes: (V,) boolean. Returns (B, V) weights for `draw`.
    """
    of_codes = probabilities * codes
    left = of_codes * kept
    share = of_codes.sum(dim=-1, keepdim=True) / left.sum(dim=-1, keepdim=True).clamp_min(TINY)
    return torch.where(codes, left * share, probabilities)


def draw_nucleus(probabilities: torch.Tensor, top_p: float, codes: torch.Tensor, uniform: torch.Tensor) -> torch.Tensor:
    """(B, V) -> (B,) indices: a code of the nucleus, or a trigger with the chance that it has."""
    return draw(weigh_kept(probabilities, nucleus(probabilities * codes, top_p), codes), uniform)
