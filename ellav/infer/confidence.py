"""How sure a model is of what it said: the probability that it gives to what was chosen, however that was drawn."""

from __future__ import annotations

from torch import Tensor


def log_probability(logits: Tensor, chosen: Tensor, counted: Tensor) -> Tensor:
    """(...,) natural logarithms, summed over the last axis of `chosen` where `counted`.

    logits: (..., S, O), before masks, temperature and nucleus. chosen: (..., S), columns of the logits. counted:
    (..., S) boolean.
    """
    of_chosen = logits.gather(-1, chosen[..., None]).squeeze(-1) - logits.logsumexp(dim=-1)
    return of_chosen.masked_fill(~counted, 0.0).sum(dim=-1)


def mean_log_probability(total: float | None, count: int) -> float | None:
    """Of `count` codes whose logarithms add up to `total`, None where there are none."""
    return float(total) / int(count) if count else None


def of_both(ar: float | None, nar: float | None) -> dict:
    """Facts of a reading: what `docs/synthesis.md` calls its confidence, and its parts.

    ar, nar: mean log-probability of the codes that either model made, None where it made none.
    """
    both = None if ar is None else ar + (nar or 0.0)
    return {"confidence": both, "ar_confidence": ar, "nar_confidence": nar}
