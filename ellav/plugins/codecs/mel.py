"""Log-mel spectra on the grid of a codec's frames, and speech made of them again by Griffin-Lim."""

from __future__ import annotations

import math
from functools import cached_property

import numpy as np
import torch
from torch.nn import functional as F

LOUDEST = 20.0  # log magnitude; speech stays below 0, and a bad entry is not to become infinite
_LONGEST_WINDOW = 8192  # samples
_ROWS = 4096  # frames worked on at once, so that memory does not grow with the audio


class MelGrid:
    """`spectra` log-mel spectra for each frame of a codec.

    sample_rate, frame_rate: Hz. mel_bins, window_ms: resolution in frequency and time. floor_db: level below full
    scale under which spectra are cut off. iterations, momentum: of Griffin-Lim.
    """

    def __init__(
        self,
        sample_rate: int,
        frame_rate: float,
        spectra: int,
        mel_bins: int,
        window_ms: float,
        floor_db: float,
        iterations: int,
        momentum: float,
    ):
        check("sample_rate", sample_rate, 1000, 200_000)
        check("frame_rate", frame_rate, 1, sample_rate / 8)
        check("mel_bins", mel_bins, 4, 512)
        check("window_ms", window_ms, 4, 500)
        check("floor_db", floor_db, -200, -20)
        check("griffin_lim_iterations", iterations, 0, 1000)
        check("momentum", momentum, 0, 1)
        self.sample_rate, self.frame_rate, self.spectra, self.mel_bins = sample_rate, frame_rate, spectra, mel_bins
        self.iterations, self.momentum = iterations, momentum
        self.floor = 10 ** (floor_db / 20)
        self.window_length = 4 * round(sample_rate * window_ms / 4000)
        if self.window_length > _LONGEST_WINDOW:
            raise ValueError(f"window_ms={window_ms:g} at {sample_rate} Hz is more than {_LONGEST_WINDOW} samples")
        self.hop = self.window_length // 4  # of Griffin-Lim; the analysis has the grid of the codes
        self.window = torch.hann_window(self.window_length)
        # A sine of amplitude 1 has magnitude 1 in its bin.
        self.bank = mel_bank(sample_rate, self.window_length, mel_bins) * (2 / self.window.sum())
        self._there: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    @cached_property
    def inverse(self) -> torch.Tensor:
        """(bins, mel_bins): from mel to linear. Seconds of work at the largest sizes, so it waits until it is used."""
        return torch.linalg.pinv(self.bank)

    def frames(self, samples: int) -> int:
        """ceil(samples * frame_rate / sample_rate): frame t covers the time from t to t + 1 frames."""
        return math.ceil(samples * self.frame_rate / self.sample_rate - 1e-9)

    def analyse(self, wav: np.ndarray, device: str = "cpu") -> torch.Tensor:
        """(samples,) -> (T * spectra, mel_bins) log magnitudes on `device`, each centred on its part of the frame."""
        length, (window, bank) = self.window_length, self._on(device)
        count = self.frames(len(wav)) * self.spectra
        step = self.sample_rate / (self.frame_rate * self.spectra)
        padded = F.pad(
            torch.as_tensor(np.asarray(wav, dtype=np.float32)), (length, length + math.ceil(step * self.spectra))
        )
        padded = padded.nan_to_num().to(device)
        starts = torch.round((torch.arange(count) + 0.5) * step).long() + length // 2
        places = torch.arange(length, device=device)
        mels = [
            torch.fft.rfft(padded[some[:, None] + places] * window).abs() @ bank.T
            for some in starts.to(device).split(_ROWS)
            if len(some)
        ]
        magnitudes = torch.cat(mels) if mels else torch.zeros(0, self.mel_bins, device=device)
        return magnitudes.clamp(min=self.floor).log()

    def _on(self, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Window and bank on a device."""
        if device not in self._there:
            self._there[device] = self.window.to(device), self.bank.to(device)
        return self._there[device]

    def speak(self, log_mel: torch.Tensor, frames: int) -> np.ndarray:
        """(T * spectra, mel_bins) -> (round(T * sample_rate / frame_rate),) float32, T = frames."""
        samples = round(frames * self.sample_rate / self.frame_rate)
        if not samples:
            return np.zeros(0, np.float32)
        magnitudes = self.magnitudes(log_mel, samples // self.hop + 2)
        wav = griffin_lim(magnitudes, self.window, self.hop, self.iterations, self.momentum)
        return wav[:samples].numpy()

    def magnitudes(self, log_mel: torch.Tensor, count: int) -> torch.Tensor:
        """(T * spectra, mel_bins) on the grid of the codes -> (count, bins) on that of Griffin-Lim, a hop apart."""
        # Linear in log magnitude.
        hops = torch.arange(count) * self.hop
        place = hops * (self.frame_rate * self.spectra / self.sample_rate) - 0.5
        place = place.clamp(0, log_mel.shape[0] - 1)
        before = place.long()
        after = (before + 1).clamp(max=log_mel.shape[0] - 1)
        share = (place - before)[:, None]
        log_mel = log_mel.clamp(max=LOUDEST)
        mels = (log_mel[before] * (1 - share) + log_mel[after] * share).exp()  # (F, mel_bins)
        return invert_mel(mels, self.bank, self.inverse)


def check(name: str, value: float, least: float, most: float) -> None:
    """Raises ValueError for an option out of bounds."""
    if not least <= value <= most:
        raise ValueError(f"{name}={value} is not between {least:g} and {most:g}")


def mel_bank(sample_rate: int, length: int, bins: int) -> torch.Tensor:
    """(bins, length // 2 + 1): triangles of sum 1, evenly spaced in mel (2595 log10(1 + f / 700)).

    No triangle is narrower than the spacing of the spectrum, so that none is empty.
    """
    top = 2595 * math.log10(1 + sample_rate / 2 / 700)
    edges = 700 * (10 ** (np.linspace(0, top, bins + 2) / 2595) - 1)  # Hz
    spacing = sample_rate / length
    frequency = np.arange(length // 2 + 1) * spacing
    centre = edges[1:-1, None]
    below = np.maximum(centre - edges[:-2, None], spacing)
    above = np.maximum(edges[2:, None] - centre, spacing)
    rising, falling = (frequency - centre) / below + 1, (centre - frequency) / above + 1
    bank = np.clip(np.minimum(rising, falling), 0, None)
    return torch.tensor(bank / bank.sum(axis=1, keepdims=True), dtype=torch.float32)


def invert_mel(mels: torch.Tensor, bank: torch.Tensor, inverse: torch.Tensor, iterations: int = 5) -> torch.Tensor:
    """Non-negative magnitudes (F, bins) whose mel spectra come close to `mels` (F, mel_bins).

    Multiplicative updates, which keep magnitudes non-negative, from the clipped least-squares
    solution.
    """
    tiny = 1e-9
    found = (mels @ inverse.T).clamp(min=1e-7)
    wanted = mels @ bank
    for _ in range(iterations):
        found = found * wanted / ((found @ bank.T) @ bank).clamp(min=tiny)
    return found


def griffin_lim(
    magnitudes: torch.Tensor, window: torch.Tensor, hop: int, iterations: int, momentum: float
) -> torch.Tensor:
    """Samples (at least (F - 1) * hop) with spectra of `magnitudes` (F, bins), frame k centred on k * hop.

    Fast Griffin-Lim (Perraudin 2013) from random phases, the same in every call, so that the
    result depends on the magnitudes alone.
    """
    length = len(window)
    parts = length // hop
    magnitudes = F.pad(magnitudes, (0, 0, parts, parts))  # silence on both sides
    count = len(magnitudes)

    def overlap_add(rows: torch.Tensor) -> torch.Tensor:
        total = torch.zeros(count + parts - 1, hop)
        for part in range(parts):
            total[part : part + count] += rows[:, part * hop : (part + 1) * hop]
        return total.flatten()

    weight = 1 / overlap_add((window**2).expand(count, length)).clamp(min=1e-3)
    phases = torch.rand(magnitudes.shape, generator=torch.Generator().manual_seed(0)) * (2 * math.pi)
    spectrum, last = torch.polar(magnitudes, phases), None
    for _ in range(iterations):
        wav = overlap_add(torch.fft.irfft(spectrum, n=length) * window) * weight
        # Real and imaginary parts side by side: several times as fast here as complex arithmetic.
        now = torch.view_as_real(torch.fft.rfft(wav.unfold(0, length, hop) * window))  # (F, bins, 2)
        ahead = now if last is None else torch.lerp(last, now, 1 + momentum)
        last = now
        real, imaginary = ahead.unbind(-1)
        scale = torch.addcmul(real * real, imaginary, imaginary).add_(1e-24).rsqrt_() * magnitudes
        spectrum = torch.view_as_complex(ahead * scale[..., None])
    wav = overlap_add(torch.fft.irfft(spectrum, n=length) * window) * weight
    return wav[parts * hop + length // 2 :]
