"""Repetition-aware sampling, VALL-E 2 (arXiv 2406.05370), algorithm 1."""

from __future__ import annotations

import torch

from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import check_temperature, check_top_p, draw, draw_nucleus


@decoders.register("ras")
class RepetitionAware:
    """Nucleus sampling; a code too frequent among the latest is drawn again from all ids.

    An id is drawn by nucleus sampling. If it is a code and makes up more than `threshold`
    of the last `window` codes (prompt included), it is replaced by a draw from the whole
    distribution. Triggers are never rejected. The ratio is over `window` also while
    fewer codes have been heard, as in the paper.

    keep_triggers: the nucleus is chosen among the codes, a trigger keeps the chance that the
    model gave it, and a repeated code is replaced by a code, since the trigger has had its
    chance. False chooses among all ids both times, as the paper does.
    """

    def __init__(
        self,
        top_p: float = 0.8,
        window: int = 10,
        threshold: float = 0.1,
        temperature: float = 1.0,
        keep_triggers: bool = True,
    ):
        check_top_p(top_p)
        if not 1 <= window <= 10_000:
            raise ValueError(f"window must be 1 to 10000, not {window}")
        check_temperature(temperature)
        self.top_p = top_p
        self.history = window
        self.threshold = threshold
        self.temperature = temperature
        self.keep_triggers = keep_triggers

    def __call__(
        self, logits: torch.Tensor, uniforms: torch.Tensor, history: torch.Tensor, codes: torch.Tensor
    ) -> torch.Tensor:
        """(B, V) logits, (B, 2) uniforms, (B, window) history, (V,) codes -> (B,) ids."""
        probabilities = (logits / self.temperature).softmax(dim=-1)
        chosen = codes if self.keep_triggers else torch.ones_like(codes)
        ids = draw_nucleus(probabilities, self.top_p, chosen, uniforms[:, 0])
        share = (history == ids[:, None]).sum(dim=-1) / self.history
        repeated = (share > self.threshold) & codes[ids]
        return torch.where(repeated, draw(probabilities * chosen, uniforms[:, 1]), ids)
