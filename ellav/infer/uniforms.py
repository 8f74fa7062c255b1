"""Uniform numbers that depend on (seed, utterance id, step) alone, drawn for a whole batch."""

from __future__ import annotations

import hashlib

import torch

_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15 as a signed 64-bit integer
_MIX1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX2 = -7723592293110705685  # 0x94D049BB133111EB


def utterance_key(seed: int, utterance: str) -> int:
    """A signed 64-bit key of a seed and an utterance id."""
    digest = hashlib.sha256(f"{seed}\n{utterance}".encode()).digest()
    return int.from_bytes(digest[:8], "little", signed=True)


def uniforms(keys: torch.Tensor, steps: torch.Tensor, lanes: int) -> torch.Tensor:
    """(B,) int64 keys and (B,) int64 steps -> (B, lanes) float32 in [0, 1).

    The SplitMix64 generator (Steele et al., 2014) as a counter-based hash; 24 bits each.
    """
    lane = torch.arange(lanes, device=keys.device)
    x = keys[:, None] + (steps[:, None] * lanes + lane + 1) * _GOLDEN  # wraps, as it should
    x = (x ^ _shift(x, 30)) * _MIX1
    x = (x ^ _shift(x, 27)) * _MIX2
    x = x ^ _shift(x, 31)
    return _shift(x, 40).to(torch.float32) / 2**24


def _shift(x: torch.Tensor, bits: int) -> torch.Tensor:
    """Logical right shift; torch's own is arithmetic."""
    return (x >> bits) & ((1 << (64 - bits)) - 1)
