"""`rvq_mel`: log-mel spectra coded by residual k-means, spoken again by Griffin-Lim.

It learns from an hour of speech in about a minute on a CPU and needs no network, so recipes
run anywhere with it. It is a stand-in for a neural codec: intelligible and true to the
speaker, with the metallic sound of phases that are guessed.
"""

from __future__ import annotations

import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F

from ellav.errors import UserError
from ellav.plugins.codecs import codecs
from ellav.weights import read_weights

WEIGHTS = "rvq_mel.safetensors"
_LOUDEST = 20.0  # log magnitude; speech stays below 0, and a bad entry is not to become infinite
_LONGEST_WINDOW = 8192  # samples
_ROWS = 4096  # frames worked on at once, so that memory does not grow with the audio


@codecs.register("rvq_mel")
class RVQMel:
    """Residual vector quantisation of a log-mel spectrum.

    sample_rate: Hz. frame_rate: codes per second, any positive number. codebooks, size: how
    many codebooks of how many entries. subframes: spectra that one code frame describes; the
    vectors that are quantised hold them side by side. mel_bins, window_ms: resolution in
    frequency and time. floor_db: level below full scale under which spectra are cut off.
    training_frames: frames that k-means sees. kmeans_iterations, griffin_lim_iterations: as
    they say; more are slower and slightly better. momentum: of Griffin-Lim.
    """

    trainable = True

    def __init__(
        self,
        sample_rate: int = 16000,
        frame_rate: float = 50.0,
        codebooks: int = 4,
        size: int = 1024,
        subframes: int = 2,
        mel_bins: int = 80,
        window_ms: float = 32.0,
        floor_db: float = -100.0,
        training_frames: int = 60_000,
        kmeans_iterations: int = 12,
        griffin_lim_iterations: int = 40,
        momentum: float = 0.99,
    ):
        _check("sample_rate", sample_rate, 1000, 200_000)
        _check("frame_rate", frame_rate, 1, sample_rate / 8)
        _check("codebooks", codebooks, 1, 64)
        _check("size", size, 2, 32_768)
        _check("subframes", subframes, 1, 16)
        _check("mel_bins", mel_bins, 4, 512)
        _check("window_ms", window_ms, 4, 500)
        _check("floor_db", floor_db, -200, -20)
        _check("kmeans_iterations", kmeans_iterations, 1, 1000)
        _check("griffin_lim_iterations", griffin_lim_iterations, 0, 1000)
        _check("momentum", momentum, 0, 1)
        if training_frames < size:
            raise ValueError(f"training_frames={training_frames} must be at least size={size}")
        self.sample_rate, self.frame_rate, self.codebooks, self.size = sample_rate, frame_rate, codebooks, size
        self.subframes, self.mel_bins, self.momentum = subframes, mel_bins, momentum
        self.training_frames, self.kmeans_iterations = training_frames, kmeans_iterations
        self.griffin_lim_iterations = griffin_lim_iterations
        self.floor = 10 ** (floor_db / 20)
        self.window_length = 4 * round(sample_rate * window_ms / 4000)
        if self.window_length > _LONGEST_WINDOW:
            raise ValueError(f"window_ms={window_ms:g} at {sample_rate} Hz is more than {_LONGEST_WINDOW} samples")
        self.hop = self.window_length // 4  # of Griffin-Lim; the analysis has the grid of the codes
        self.window = torch.hann_window(self.window_length)
        # A sine of amplitude 1 has magnitude 1 in its bin.
        self.bank = mel_bank(sample_rate, self.window_length, mel_bins) * (2 / self.window.sum())
        self.mean: torch.Tensor | None = None  # (subframes * mel_bins,)
        self.entries: torch.Tensor | None = None  # (codebooks, size, subframes * mel_bins)

    @cached_property
    def inverse(self) -> torch.Tensor:
        """(bins, mel_bins): from mel to linear. Seconds of work at the largest sizes, so it waits until it is used."""
        return torch.linalg.pinv(self.bank)

    def frames(self, samples: int) -> int:
        """ceil(samples * frame_rate / sample_rate): frame t covers the time from t to t + 1 frames."""
        return math.ceil(samples * self.frame_rate / self.sample_rate - 1e-9)

    def fit(self, wavs: list[np.ndarray], seed: int = 0) -> None:
        """Residual k-means over `training_frames` frames drawn from all waveforms.

        Raises UserError where there are fewer frames than a codebook has entries.
        """
        rng = torch.Generator().manual_seed(seed)
        total = sum(self.frames(len(wav)) for wav in wavs)
        if total < self.size:
            raise UserError(
                f"codec rvq_mel: {total} frames of speech cannot fill {self.size} entries; give more or lower size"
            )
        chosen = torch.zeros(total, dtype=torch.bool)
        chosen[torch.randperm(total, generator=rng)[: self.training_frames]] = True
        rows = []
        for wav in wavs:
            taken, chosen = chosen[: self.frames(len(wav))], chosen[self.frames(len(wav)) :]
            rows.append(self._vectors(wav)[taken])
        left = torch.cat(rows)  # (n, D)
        self.mean = left.mean(dim=0)
        left -= self.mean
        entries = []
        for _ in range(self.codebooks):
            book = kmeans(left, self.size, self.kmeans_iterations, rng)
            left -= book[nearest(left, book)]
            entries.append(book)
        self.entries = torch.stack(entries)

    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, T = frames(samples)."""
        mean, entries = self._learned()
        coded = []
        for wav in wavs:
            left = self._vectors(wav) - mean  # (T, D)
            codes = torch.empty(len(left), self.codebooks, dtype=torch.int16)
            for level, book in enumerate(entries):
                codes[:, level] = nearest(left, book)
                left -= book[codes[:, level].long()]
            coded.append(codes.numpy())
        return coded

    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (round(T * sample_rate / frame_rate),) float32 each.

        Raises ValueError for codes beyond the codebooks.
        """
        self._learned()
        return [self._speak(self.spectrum(one), len(one)) for one in codes]

    def spectrum(self, codes: np.ndarray) -> torch.Tensor:
        """(T * subframes, mel_bins) log magnitudes that codes (T, q) stand for."""
        mean, entries = self._learned()
        codes = torch.as_tensor(np.asarray(codes, dtype=np.int64))  # (T, q)
        if codes.ndim != 2 or not 1 <= codes.shape[1] <= self.codebooks:
            raise ValueError(f"codes of shape {tuple(codes.shape)} for {self.codebooks} codebooks")
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.size:
            raise ValueError(f"codes from {int(codes.min())} to {int(codes.max())} for {self.size} entries")
        total = mean.expand(len(codes), -1).clone()
        for level in range(codes.shape[1]):
            total += entries[level][codes[:, level]]
        return total.clamp(max=_LOUDEST).reshape(-1, self.mel_bins)

    def log_mel(self, wav: np.ndarray) -> torch.Tensor:
        """(T * subframes, mel_bins) log magnitudes, each centred on its part of the frame."""
        length = self.window_length
        count = self.frames(len(wav)) * self.subframes
        step = self.sample_rate / (self.frame_rate * self.subframes)
        padded = F.pad(
            torch.as_tensor(np.asarray(wav, dtype=np.float32)), (length, length + math.ceil(step * self.subframes))
        )
        padded = padded.nan_to_num()
        starts = torch.round((torch.arange(count) + 0.5) * step).long() + length // 2
        mels = [
            torch.fft.rfft(padded[some[:, None] + torch.arange(length)] * self.window).abs() @ self.bank.T
            for some in starts.split(_ROWS)
            if len(some)
        ]
        magnitudes = torch.cat(mels) if mels else torch.zeros(0, self.mel_bins)
        return magnitudes.clamp(min=self.floor).log()

    def save(self, folder: Path) -> None:
        """Write the codebooks into an existing folder."""
        from safetensors.torch import save_file

        mean, entries = self._learned()
        save_file({"mean": mean, "entries": entries}, str(Path(folder) / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        width = self.subframes * self.mel_bins
        wanted = {"mean": (width,), "entries": (self.codebooks, self.size, width)}
        read = read_weights(Path(folder) / WEIGHTS, wanted, "rerun stage 4 (codes)", types=("F32",))
        self.mean, self.entries = read["mean"], read["entries"]

    def _learned(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.mean is None or self.entries is None:
            raise UserError("codec rvq_mel: no codebooks yet; fit or load them (`ellav fit-codec`)")
        return self.mean, self.entries

    def _vectors(self, wav: np.ndarray) -> torch.Tensor:
        return self.log_mel(wav).reshape(-1, self.subframes * self.mel_bins)  # (T, D)

    def _speak(self, log_mel: torch.Tensor, frames: int) -> np.ndarray:
        """log_mel: (T * subframes, mel_bins) -> samples."""
        samples = round(frames * self.sample_rate / self.frame_rate)
        if not samples:
            return np.zeros(0, np.float32)
        # From the grid of the codes to the hops of Griffin-Lim, linear in log magnitude.
        hops = torch.arange(samples // self.hop + 2) * self.hop
        place = hops * (self.frame_rate * self.subframes / self.sample_rate) - 0.5
        place = place.clamp(0, len(log_mel) - 1)
        before = place.long()
        after = (before + 1).clamp(max=len(log_mel) - 1)
        share = (place - before)[:, None]
        mels = (log_mel[before] * (1 - share) + log_mel[after] * share).exp()  # (F, mel_bins)
        magnitudes = invert_mel(mels, self.bank, self.inverse)  # (F, bins)
        wav = griffin_lim(magnitudes, self.window, self.hop, self.griffin_lim_iterations, self.momentum)
        return wav[:samples].numpy()


def _check(name: str, value: float, least: float, most: float) -> None:
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
        found = found * wanted / ((found @ bank.T) @ bank + tiny)
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


def nearest(vectors: torch.Tensor, book: torch.Tensor) -> torch.Tensor:
    """(n,) int64: the entry of `book` (K, D) nearest to each of `vectors` (n, D)."""
    half = (book**2).sum(dim=1) / 2
    found = [(some @ book.T - half).argmax(dim=1) for some in vectors.split(_ROWS)]
    return torch.cat(found)


def kmeans(vectors: torch.Tensor, size: int, iterations: int, rng: torch.Generator) -> torch.Tensor:
    """(size, D) means of `vectors` (n, D); entries that lose all vectors restart at random ones."""
    book = vectors[torch.randperm(len(vectors), generator=rng)[:size]].clone()
    for _ in range(iterations):
        entry = nearest(vectors, book)
        count = torch.bincount(entry, minlength=size)
        book = torch.zeros_like(book).index_add_(0, entry, vectors) / count.clamp(min=1)[:, None]
        dead = torch.nonzero(count == 0).flatten()
        book[dead] = vectors[torch.randperm(len(vectors), generator=rng)[: len(dead)]]
    return book
