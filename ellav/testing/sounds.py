"""Machine-made sounds for contract checks."""

from __future__ import annotations

import numpy as np


def sound(rng: np.random.Generator, sample_rate: int, seconds: float) -> np.ndarray:
    """(samples,) float32: syllables of harmonics with moving resonances, noise and pauses."""
    samples = max(1, round(seconds * sample_rate))
    time = np.arange(samples) / sample_rate
    pitch = rng.uniform(90, 220) * (1 + 0.1 * np.sin(2 * np.pi * rng.uniform(1, 3) * time))
    phase = 2 * np.pi * np.cumsum(pitch) / sample_rate
    resonance = rng.uniform(300, 2500) * (1 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.5, 4) * time))
    voice = np.zeros(samples)
    for harmonic in range(1, 20):
        voice += np.sin(harmonic * phase) * np.exp(-(((harmonic * pitch - resonance) / 600) ** 2)) / harmonic**0.5
    syllables = np.clip(np.sin(2 * np.pi * rng.uniform(2, 5) * time + rng.uniform(0, 6)), 0, 1)
    return (0.2 * syllables * voice + 0.01 * (1 - syllables) * rng.standard_normal(samples)).astype(np.float32)


def sounds(sample_rate: int, cases: int, seed: int) -> list[np.ndarray]:
    """None at all, one sample, silence, noise, and `cases` speech-like sounds, from short to long."""
    rng = np.random.default_rng(seed)
    plain = [np.zeros(0), np.ones(1), np.zeros(sample_rate // 2), rng.normal(0, 0.1, sample_rate)]
    return [wav.astype(np.float32) for wav in plain] + [sound(rng, sample_rate, 1 + case) for case in range(cases)]


def show(_plugin, wav: np.ndarray, *_more) -> str:
    """A sound as a person reads it."""
    if not len(wav):
        return "no samples"
    return f"{len(wav)} samples" + (", all 0" if not wav.any() else f", up to {np.abs(wav).max():.2f}")
