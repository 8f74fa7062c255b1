"""Recordings as people give them, and what of them is speech: files, file objects, arrays and tensors."""

from __future__ import annotations

import numbers
import os
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from torch import Tensor

from ellav.data.audio import HIGHEST_RATE, LEAST_RATE, read_all
from ellav.errors import UserError

MOST_CHANNELS = 16
LOUDEST = 10.0
"""Peak beyond which floating-point samples are no waveform of full scale 1 but integers."""

STEP = 0.01  # s, of the levels
LOUD = 0.5  # s: what the loudest half second exceeds is the level of speech; clicks are shorter
RANGE = 50.0  # dB below the level of speech that count; digital silence has no bottom
NEAREST = 15.0  # dB below the level of speech that are speech still, however loud the background
SHORTEST_SOUND = 0.05  # s; what is loud for less is a click
MARGIN = 0.3  # s of silence that stay on either side of speech


class Given(NamedTuple):
    """A recording: what to call it, wav (samples,) float32 with channels averaged, rate in Hz."""

    name: str
    wav: np.ndarray
    rate: int


Sound = Path | str | BinaryIO | np.ndarray | Tensor | Given


def read_given(prompt: Sound, rate: int | None = None) -> Given:
    """A recording given as a file (str, pathlib.Path), an open binary file, or samples at `rate` Hz.

    Samples are a numpy array or torch tensor, (samples,) or with channels before or behind, which are averaged;
    floats lie in [-1, 1], integers of 8, 16 and 32 bits are scaled by their type (uint8 as in WAV, around 128).
    Raises UserError that says what is wanted.
    """
    if isinstance(prompt, Given):
        return prompt
    if isinstance(prompt, (str, os.PathLike)):
        return _of_file(prompt, str(prompt))
    if hasattr(prompt, "read"):
        name = getattr(prompt, "name", None)
        name = name if isinstance(name, str) else "prompt"
        try:
            as_text = isinstance(prompt.read(0), str)
        except (OSError, ValueError) as error:
            raise UserError(f"{name}: cannot be read: {error}") from None
        if as_text:
            raise UserError(f"{name}: is open as text; open it with open({name!r}, 'rb')")
        return _of_file(prompt, name)
    if isinstance(prompt, Tensor):
        prompt = prompt.detach().cpu()
        prompt = (prompt.float() if prompt.is_floating_point() else prompt).numpy()
    if not isinstance(prompt, np.ndarray):
        raise UserError(
            f"prompt: a {type(prompt).__name__} is no recording; give a file's name, a file open for reading, or an"
            " array or tensor of samples with prompt_rate"
        )
    if rate is None:
        raise UserError("prompt: samples need their rate in Hz: prompt_rate=16000, for example")
    if isinstance(rate, bool) or not isinstance(rate, numbers.Real) or not LEAST_RATE <= rate <= HIGHEST_RATE:
        raise UserError(f"prompt: prompt_rate {rate!r} is no rate of speech; give its Hz, at least {LEAST_RATE}")
    if rate != int(rate):
        raise UserError(f"prompt: prompt_rate {rate!r} is not whole; give its Hz")
    return Given("prompt", _checked(_scaled(_mono(prompt)), "prompt"), int(rate))


def _of_file(file, name: str) -> Given:
    wav, rate = read_all(file, name)
    if rate < LEAST_RATE:
        raise UserError(f"{name}: sample rate {rate} Hz is too low for speech")
    return Given(name, _checked(wav.mean(axis=1), name), rate)


def _mono(samples: np.ndarray) -> np.ndarray:
    """(samples,) or (samples, channels), whichever of two axes was the channels'."""
    if not samples.size:
        raise UserError(f"prompt: holds no samples (its shape is {samples.shape})")
    if samples.ndim == 1:
        return samples
    if samples.ndim == 2 and min(samples.shape) <= MOST_CHANNELS:
        return samples if samples.shape[0] >= samples.shape[1] else samples.T
    raise UserError(f"prompt: must be (samples,), (samples, channels) or (channels, samples), not {samples.shape}")


def _scaled(samples: np.ndarray) -> np.ndarray:
    """(samples,) float32, integers scaled by their type."""
    kind, size = samples.dtype.kind, samples.dtype.itemsize
    if kind == "f":
        made = samples.astype(np.float32)
    elif kind == "i" and size <= 4:
        made = samples.astype(np.float32) / 2.0 ** (8 * size - 1)
    elif kind == "u" and size == 1:
        made = (samples.astype(np.float32) - 128) / 128
    else:
        raise UserError(f"prompt: samples of type {samples.dtype} have no scale; give float32 in [-1, 1], or int16")
    return made if made.ndim == 1 else made.mean(axis=1)


def _checked(wav: np.ndarray, name: str) -> np.ndarray:
    if not np.isfinite(wav).all():
        raise UserError(f"{name}: holds samples that are not finite numbers")
    peak = float(np.abs(wav).max())
    if peak > LOUDEST:
        raise UserError(f"{name}: samples reach {peak:.0f}, full scale is 1; divide those of 16 bits by 32768")
    return wav


def speech_mask(wav: np.ndarray, rate: int) -> np.ndarray:
    """(n,) boolean: which steps of 10 ms of (samples,) are speech, by their energy.

    The level of speech is what the loudest half second exceeds, so it does not depend on how much silence there is;
    the background is the level below which a tenth of the steps lie, at most 50 dB lower. What is above a third of
    the way from the background to the speech is speech, and what is at most 15 dB below speech is so too: where the
    background is as loud as that, energy cannot tell, and all is taken for speech. Clicks, shorter than 50 ms, are not.
    """
    size = max(1, round(STEP * rate))
    power = np.add.reduceat(np.square(wav, dtype=np.float64), np.arange(0, len(wav), size)) / size
    level = 10 * np.log10(np.maximum(power, 1e-12))
    speech = np.sort(level)[-min(len(level), round(LOUD / STEP))]
    background = max(np.percentile(level, 10), speech - RANGE)
    loud = level > min(background + (speech - background) / 3, speech - NEAREST)
    width = round(SHORTEST_SOUND / STEP)
    return _widened(_widened(loud, width) == width, width, before=width - 1) > 0


def _widened(mask: np.ndarray, width: int, before: int = 0) -> np.ndarray:
    """(n,) how many of the `width` steps from each one on, or from `before` steps before it, are true."""
    counts = np.convolve(mask, np.ones(width, int))
    start = width - 1 - before
    return counts[start : start + len(mask)]


def trimmed(wav: np.ndarray, rate: int) -> np.ndarray:
    """(samples,) without what is further than 0.3 s from speech: at both ends, and of long pauses the middle."""
    kept = _widened(speech_mask(wav, rate), 2 * round(MARGIN / STEP) + 1, before=round(MARGIN / STEP)) > 0
    return wav[np.repeat(kept, max(1, round(STEP * rate)))[: len(wav)]] if kept.any() else wav
