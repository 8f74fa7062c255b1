"""What the `trained` aligner hears: mel cepstra with their first and second differences."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

RATE = 16000
HOP = 80
"""Samples from one frame to the next, 5 ms; frame t stands for the samples from t * HOP on."""
WINDOW, SPECTRUM = 320, 512
BANDS, CEPSTRA = 26, 13
WIDTH = 3 * CEPSTRA
REACH = 3
"""Frames to either side that a difference is fitted to."""
QUIET = np.log(1e-7)
"""Bands are heard down to so much power below the loudest one, so that digital silence is like a quiet room."""


def features(wav: np.ndarray) -> np.ndarray:
    """wav: (samples,) float32 at RATE -> (samples // HOP, WIDTH) float32.

    The mean over the louder frames is taken off, which takes off level and microphone.
    """
    count = len(wav) // HOP
    if not count:
        return np.zeros((0, WIDTH), np.float32)
    before = (WINDOW - HOP) // 2
    padded = np.pad(wav.astype(np.float32), (before + 1, WINDOW))
    padded = padded[1:] - 0.97 * padded[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP][:count]
    power = np.abs(np.fft.rfft(frames * np.hanning(WINDOW).astype(np.float32), SPECTRUM)) ** 2
    bands, cosines = _tables()
    logs = np.log(power.astype(np.float32) @ bands + 1e-12)  # (count, BANDS)
    logs = np.maximum(logs, logs.max() + QUIET)
    level = logs.mean(axis=1)
    loud = level >= (level.min() + level.max()) / 2
    cepstra = (logs - logs[loud].mean(axis=0)) @ cosines
    first = differences(cepstra)
    return np.concatenate([cepstra, first, differences(first)], axis=1, dtype=np.float32)


def differences(rows: np.ndarray) -> np.ndarray:
    """(T, D): the slope over time of `rows` (T, D) around each frame, by least squares."""
    padded = np.pad(rows, ((REACH, REACH), (0, 0)), mode="edge")
    total = sum(
        step * (padded[REACH + step : REACH + step + len(rows)] - padded[REACH - step : REACH - step + len(rows)])
        for step in range(1, REACH + 1)
    )
    return total / (2 * sum(step**2 for step in range(1, REACH + 1)))


@lru_cache
def _tables() -> tuple[np.ndarray, np.ndarray]:
    """Mel bands (SPECTRUM // 2 + 1, BANDS) and cosines (BANDS, CEPSTRA), float32."""
    top = 2595 * np.log10(1 + RATE / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, BANDS + 2) / 2595) - 1)  # Hz
    hertz = np.arange(SPECTRUM // 2 + 1)[:, None] * RATE / SPECTRUM
    rising = (hertz - edges[:-2]) / np.diff(edges)[:-1]
    falling = (edges[2:] - hertz) / np.diff(edges)[1:]
    bands = np.clip(np.minimum(rising, falling), 0, None)
    order, place = np.arange(CEPSTRA), np.arange(BANDS)[:, None] + 0.5
    cosines = np.cos(np.pi * order * place / BANDS) * np.sqrt(2 / BANDS)
    return bands.astype(np.float32), cosines.astype(np.float32)
