"""Decoders: how the next id is chosen from the AR model's logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ellav.plugins.registry import Registry

if TYPE_CHECKING:
    import torch  # a second or two, and only for the words of the contract


class Decoder(Protocol):
    """Chooses ids for a batch in parallel.

    Called after masking: ids a state forbids have logit -inf. It must return an id with
    a finite logit, and use only the uniforms it is given, so that a row's result does not
    depend on its neighbours.
    """

    name: str
    history: int
    """How many past codes of each stream it wants to see; 0 for none."""

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """logits: (B, V) float32 of one stream. uniforms: (B, 2) in [0, 1). history:
        (B, history) latest codes, newest last, -1 where there are none yet, prompt
        included, triggers and other ids left out. codes: (V,) boolean, which ids are
        codes. Returns (B,) ids."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

decoders = Registry(
    "decoders",
    {
        "greedy": "ellav.plugins.decoders.greedy",
        "topk": "ellav.plugins.decoders.topk",
        "nucleus": "ellav.plugins.decoders.nucleus",
        "ras": "ellav.plugins.decoders.ras",
    },
    CONTRACT,
)
