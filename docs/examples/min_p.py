"""A decoder that keeps what is not much less likely than the likeliest id (arXiv 2407.01082)."""

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import draw, weigh_kept


@decoders.register("min_p")
class MinP:
    """Samples among the codes with at least a share `least` of the likeliest code's probability.

    least: between 0 (all codes) and 1 (the likeliest only). temperature: applied before.
    """

    contract = 1
    history = 0

    def __init__(self, least: float = 0.1, temperature: float = 1.0):
        if not (0 <= least <= 1 and temperature > 0):
            raise ValueError(f"least {least} must lie between 0 and 1, temperature {temperature} above 0")
        self.least = least
        self.temperature = temperature

    def __call__(self, logits: torch.Tensor, uniforms: torch.Tensor, history, codes: torch.Tensor) -> torch.Tensor:
        """(B, V) logits and (B, 2) uniforms -> (B,) ids."""
        probabilities = (logits / self.temperature).softmax(dim=-1)
        of_codes = probabilities * codes
        kept = of_codes >= self.least * of_codes.amax(dim=-1, keepdim=True)
        return draw(weigh_kept(probabilities, kept, codes), uniforms[:, 0])
