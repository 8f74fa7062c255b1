"""Decoders of codes as functions of tensors alone, which can leave torch (`ellav export`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.plugins.codecs.mel import MelGrid

PHASES = 1024
"""Spectra after which the random phases begin anew: a megabyte of them, which last for some 8 s."""


class FromCodes(nn.Module):
    """Codes (T, Q) int64 -> what `decode` makes of the sums (T, D) of their vectors (Q, size, D).

    parts: the modules that `decode` uses.
    """

    def __init__(self, vectors: np.ndarray, decode: Callable[[Tensor], Tensor], *parts: nn.Module):
        super().__init__()
        self.register_buffer("vectors", torch.from_numpy(vectors))
        self.decode, self.parts = decode, nn.ModuleList(parts)

    def forward(self, codes: Tensor) -> Tensor:
        """(T, Q) -> (samples,)."""
        return self.decode(sums_of_vectors(self.vectors, codes))


def mel_graph(grid: MelGrid, vectors: np.ndarray, decode: Callable[[Tensor], Tensor], *parts: nn.Module) -> FromCodes:
    """The graph of a codec whose spectra are spoken by `MelGrid.speak`.

    vectors: (Q, size, D) of its codes. decode: their sums (T, D) -> (T * spectra, mel_bins) log magnitudes. parts: see
    `FromCodes`.
    """
    ratio = Fraction(grid.sample_rate) / Fraction(grid.frame_rate).limit_denominator(1000)  # samples a frame
    speak = GriffinLim(grid.window, grid.hop, grid.iterations, grid.momentum)
    grid.inverse  # noqa: B018  so that the graph holds it, and not how it is computed

    def spoken(z: Tensor) -> Tensor:
        samples = (z.shape[0] * ratio.numerator + ratio.denominator // 2) // ratio.denominator
        return speak(grid.magnitudes(decode(z), samples // grid.hop + 2))[:samples]

    return FromCodes(vectors, spoken, speak, *parts).eval()


class GriffinLim(nn.Module):
    """`ellav.plugins.codecs.mel.griffin_lim` by convolutions: runtimes of ONNX are slow at Fourier transforms.

    window: (length,), whose length is a multiple of `hop`.
    """

    def __init__(self, window: Tensor, hop: int, iterations: int, momentum: float):
        super().__init__()
        length = len(window)
        self.hop, self.iterations, self.momentum = hop, iterations, momentum
        bins = torch.arange(length // 2 + 1, dtype=torch.float64)
        angles = 2 * math.pi * (bins[:, None] * torch.arange(length) % length) / length
        waves = torch.cat([angles.cos(), -angles.sin()]) * window  # (2 bins, length): real parts, then imaginary ones
        twice = torch.where((bins == 0) | (bins == length // 2), 1.0, 2.0).repeat(2)  # all but the ends stand for two
        self.register_buffer("analysis", waves[:, None].float())
        self.register_buffer("synthesis", (waves * twice[:, None] / length)[:, None].float())
        self.register_buffer("squares", window[None, None] ** 2)
        rng = torch.Generator().manual_seed(0)
        self.register_buffer("phases", torch.rand(PHASES, len(bins), generator=rng) * (2 * math.pi))

    def forward(self, magnitudes: Tensor) -> Tensor:
        """(F, bins) -> samples, at least (F - 1) * hop, frame k centred on k * hop."""
        length = self.squares.shape[2]
        silence = length // self.hop  # spectra of it on both sides
        magnitudes = F.pad(magnitudes.T, (silence, silence))  # (bins, n)
        count = magnitudes.shape[1]
        phases = self.phases[torch.arange(count) % PHASES].T
        spectrum, last = torch.cat([magnitudes * phases.cos(), magnitudes * phases.sin()]), None  # (2 bins, n)
        weight = 1 / F.conv_transpose1d(torch.ones(1, 1, count), self.squares, stride=self.hop).clamp(min=1e-3)
        for _ in range(self.iterations):
            wav = F.conv_transpose1d(spectrum[None], self.synthesis, stride=self.hop) * weight  # (1, 1, samples)
            now = F.conv1d(wav, self.analysis, stride=self.hop)[0]
            ahead = now if last is None else now + self.momentum * (now - last)
            last = now
            size = ahead.square().unflatten(0, (2, -1)).sum(0).sqrt()
            # Not by a tiny number added, which torch's exporter takes for nothing.
            scale = magnitudes / size.clamp(min=1e-12)
            spectrum = ahead * scale.repeat(2, 1)
        wav = F.conv_transpose1d(spectrum[None], self.synthesis, stride=self.hop) * weight
        return wav[0, 0, length + length // 2 :]
