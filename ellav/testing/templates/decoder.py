"""A decoder: samples from the whole distribution. Change it into yours."""

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import draw


@decoders.register("new_plugin")
class NewPlugin:
    """Samples every id with its probability.

    temperature: below 1 prefers likely ids, above 1 evens out.
    """

    contract = 1
    history = 0  # how many past codes it wants to see

    def __init__(self, temperature: float = 1.0):
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, not {temperature}")
        self.temperature = temperature

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, -inf where forbidden, and (B, 2) uniforms in [0, 1) -> (B,) ids."""
        return draw((logits / self.temperature).softmax(dim=-1), uniforms[:, 0])
