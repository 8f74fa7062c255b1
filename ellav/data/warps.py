"""Another voice from a recording: the WORLD vocoder with F0 and formants moved."""

from __future__ import annotations

import types
import warnings

import numpy as np

from ellav.errors import UserError


def warp(wav: np.ndarray, rate: int, pitch: float, tract: float) -> np.ndarray:
    """(samples,) float64 in another voice with the same timing: F0 and formants times a factor.

    Raises UserError where the package pyworld is missing.
    """
    pyworld = import_pyworld()
    wav = np.ascontiguousarray(wav, dtype=np.float64)
    period = 10.0  # ms; half the cost of the usual 5
    f0, times = pyworld.dio(wav, rate, frame_period=period)
    f0 = pyworld.stonemask(wav, f0, times, rate)
    envelope = pyworld.cheaptrick(wav, f0, times, rate)  # (T, bins) power
    noise = pyworld.d4c(wav, f0, times, rate)  # (T, bins)
    bins = np.arange(envelope.shape[1])
    source = np.minimum(bins / tract, bins[-1])
    low = source.astype(int)
    share = source - low
    high = np.minimum(low + 1, bins[-1])
    logs = np.log(envelope)
    warped = np.ascontiguousarray(np.exp(logs[:, low] * (1 - share) + logs[:, high] * share))
    return pyworld.synthesize(f0 * pitch, warped, noise, rate, period)[: len(wav)]


def import_pyworld() -> types.ModuleType:
    """The package; raises UserError that names the extra where it is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it imports the deprecated pkg_resources
            import pyworld
    except ModuleNotFoundError as error:
        raise UserError(
            f"warped voices: the package {error.name} is missing; install the extra: pip install 'ellav[corpus]'"
        ) from None
    return pyworld
