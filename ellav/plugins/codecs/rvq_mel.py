"""`rvq_mel`: log-mel spectra coded by residual k-means, spoken again by Griffin-Lim.

It learns from an hour of speech in about a minute on a CPU and needs no network, so recipes
run anywhere with it. It is a stand-in for a neural codec: intelligible and true to the
speaker, with the metallic sound of phases that are guessed.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ellav.errors import UserError
from ellav.plugins.codecs import codecs
from ellav.plugins.codecs.batches import GPU_SECONDS, encode_in_batches
from ellav.plugins.codecs.given_codes import checked_codes
from ellav.plugins.codecs.graphs import mel_graph
from ellav.plugins.codecs.mel import LOUDEST, MelGrid, check
from ellav.weights import read_weights

WEIGHTS = "rvq_mel.safetensors"
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
        check("codebooks", codebooks, 1, 64)
        check("size", size, 2, 32_768)
        check("subframes", subframes, 1, 16)
        check("kmeans_iterations", kmeans_iterations, 1, 1000)
        if training_frames < size:
            raise ValueError(f"training_frames={training_frames} must be at least size={size}")
        self.mel = MelGrid(
            sample_rate, frame_rate, subframes, mel_bins, window_ms, floor_db, griffin_lim_iterations, momentum
        )
        self.sample_rate, self.frame_rate, self.codebooks, self.size = sample_rate, frame_rate, codebooks, size
        self.training_frames, self.kmeans_iterations = training_frames, kmeans_iterations
        self.width = subframes * mel_bins
        self.device = "cpu"
        self.mean: torch.Tensor | None = None  # (width,)
        self.entries: torch.Tensor | None = None  # (codebooks, size, width)

    def frames(self, samples: int) -> int:
        """ceil(samples * frame_rate / sample_rate): frame t covers the time from t to t + 1 frames."""
        return self.mel.frames(samples)

    def fit(self, wavs: list[np.ndarray], seed: int = 0) -> None:
        """Residual k-means over `training_frames` frames drawn from all waveforms.

        Raises UserError where there are fewer frames than a codebook has entries.
        """
        rng = torch.Generator().manual_seed(seed)
        left = self._some_vectors(wavs, rng)  # (n, D)
        if len(left) < self.size:
            raise UserError(
                f"codec rvq_mel: {len(left)} frames of speech cannot fill {self.size} entries; give more or lower size"
            )
        self.mean = left.mean(dim=0)
        left -= self.mean
        entries = []
        for _ in range(self.codebooks):
            book = kmeans(left, self.size, self.kmeans_iterations, rng)
            left -= book[nearest(left, book)]
            entries.append(book)
        self.entries = torch.stack(entries)

    def adapt(self, wavs: list[np.ndarray], seed: int = 0) -> None:
        """Each entry moves once to the mean of itself and the frames nearest to it, of `training_frames` drawn from all
        waveforms. One that is near to none stays, and what is spoken as before keeps most of its codes."""
        mean, entries = self._learned()
        left, moved = self._some_vectors(wavs, torch.Generator().manual_seed(seed)) - mean, []
        for book in entries:
            entry = nearest(left, book)
            count = 1 + torch.bincount(entry, minlength=self.size)
            moved.append(book.index_add(0, entry, left) / count[:, None])
            left -= moved[-1][nearest(left, moved[-1])]
        self.entries = torch.stack(moved)

    def _some_vectors(self, wavs: list[np.ndarray], rng: torch.Generator) -> torch.Tensor:
        """(n, D): `training_frames` frames at random, or all where there are no more."""
        total = sum(self.frames(len(wav)) for wav in wavs)
        chosen = torch.zeros(total, dtype=torch.bool)
        chosen[torch.randperm(total, generator=rng)[: self.training_frames]] = True
        rows = []
        for wav in wavs:
            taken, chosen = chosen[: self.frames(len(wav))], chosen[self.frames(len(wav)) :]
            rows.append(self._vectors(wav)[taken])
        return torch.cat(rows)

    def to(self, device: str) -> None:
        """Where `encode` computes, cpu or cuda."""
        self.device = device

    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each, T = frames(samples)."""
        most = 0 if self.device == "cpu" else GPU_SECONDS * self.frame_rate
        self._learned()
        return encode_in_batches(wavs, self.frames, self.codebooks, most, self._encode_together)

    def _encode_together(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        mean, entries = (tensor.to(self.device) for tensor in self._learned())
        vectors = [self._vectors(wav, self.device) for wav in wavs]  # (T, D) each
        left = torch.cat(vectors) - mean
        codes = torch.empty(len(left), self.codebooks, dtype=torch.int16, device=self.device)
        for level, book in enumerate(entries):
            nearby = nearest(left, book)
            codes[:, level] = nearby
            left -= book[nearby]
        return [some.numpy() for some in codes.cpu().split([len(one) for one in vectors])]

    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (round(T * sample_rate / frame_rate),) float32 each.

        Raises ValueError for codes beyond the codebooks.
        """
        self._learned()
        return [self.mel.speak(self.spectrum(one), len(one)) for one in codes]

    def decode_vectors(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of vectors (T, D) each -> what `decode` makes of codes with these sums."""
        return [self.mel.speak(self._spectrum_of(torch.from_numpy(z)), len(z)) for z in frames]

    def spectrum(self, codes: np.ndarray) -> torch.Tensor:
        """(T * subframes, mel_bins) log magnitudes that codes (T, q) stand for."""
        _, entries = self._learned()
        codes = checked_codes(codes, self.codebooks, self.size)  # (T, q)
        total = torch.zeros(len(codes), self.width)
        for level in range(codes.shape[1]):
            total += entries[level][codes[:, level]]
        return self._spectrum_of(total)

    def vectors(self) -> np.ndarray:
        """(Q, size, D): the entries."""
        return self._learned()[1].numpy()

    def graph(self) -> torch.nn.Module:
        """What decodes, for export."""
        return mel_graph(self.mel, self.vectors(), self._spectrum_of)

    def save(self, folder: Path) -> None:
        """Write the codebooks into an existing folder."""
        from safetensors.torch import save_file

        mean, entries = self._learned()
        save_file({"mean": mean, "entries": entries}, str(Path(folder) / WEIGHTS))

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""
        wanted = {"mean": (self.width,), "entries": (self.codebooks, self.size, self.width)}
        read = read_weights(Path(folder) / WEIGHTS, wanted, "rerun stage 4 (codes)", types=("F32",))
        self.mean, self.entries = read["mean"], read["entries"]

    def _spectrum_of(self, total: torch.Tensor) -> torch.Tensor:
        """Sums of entries (T, D) -> (T * subframes, mel_bins)."""
        mean, _ = self._learned()
        return (mean + total).clamp(max=LOUDEST).reshape(-1, self.mel.mel_bins)

    def _learned(self) -> tuple[torch.Tensor, torch.Tensor]:
        if self.mean is None or self.entries is None:
            raise UserError("codec rvq_mel: no codebooks yet; fit or load them (`ellav fit-codec`)")
        return self.mean, self.entries

    def _vectors(self, wav: np.ndarray, device: str = "cpu") -> torch.Tensor:
        return self.mel.analyse(wav, device).reshape(-1, self.width)  # (T, D)


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
