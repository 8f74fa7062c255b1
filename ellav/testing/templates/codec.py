"""A codec: how loud each part of a frame is. Change it into yours."""

from itertools import pairwise
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from ellav.errors import UserError
from ellav.plugins.codecs import codecs


@codecs.register("new_plugin")
class NewPlugin:
    """Each codebook holds the level of its part of the frame, which is heard as a hum.

    frame_rate: frames per second. codebooks: parts of a frame. size: levels.
    """

    contract = 1
    trainable = True  # the recipe calls `fit` on the training set

    def __init__(self, sample_rate: int = 16000, frame_rate: float = 50.0, codebooks: int = 4, size: int = 64):
        self.sample_rate, self.frame_rate, self.codebooks, self.size = sample_rate, frame_rate, codebooks, size
        self.loudest = 1.0

    def frames(self, samples):
        """Frames of so many samples; one that has begun counts."""
        return int(np.ceil(samples * self.frame_rate / self.sample_rate))

    def fit(self, wavs, seed=0):
        """Learn what is loud in this corpus."""
        self.loudest = max([1e-3, *(float(np.abs(wav).max(initial=0)) for wav in wavs)])

    def encode(self, wavs):
        """(samples,) float32 each -> (T, codebooks) int16 each."""
        made = []
        for wav in wavs:
            edges = self._edges(self.frames(len(wav)))
            parts = [wav[start:end] for start, end in pairwise(edges)]
            levels = np.array([np.abs(part).max(initial=0) for part in parts]) / self.loudest
            codes = np.clip(np.round(levels * (self.size - 1)), 0, self.size - 1)
            made.append(codes.reshape(-1, self.codebooks).astype(np.int16))
        return made

    def decode(self, codes):
        """(T, q) codes each, q <= codebooks -> (samples,) float32 each."""
        made = []
        for code in codes:
            full = np.repeat(code[:, -1:], self.codebooks, axis=1)
            full[:, : code.shape[1]] = code  # parts without a code sound like the last that has one
            lengths = np.diff(self._edges(len(code)))
            level = np.repeat(full.reshape(-1) / max(1, self.size - 1) * self.loudest, lengths)
            hum = np.sin(2 * np.pi * 120 * np.arange(len(level)) / self.sample_rate)
            made.append((level * hum).astype(np.float32))
        return made

    def save(self, folder):
        """Write what `fit` has learned."""
        save_file({"loudest": np.array([self.loudest])}, Path(folder) / "new_plugin.safetensors")

    def load(self, folder):
        """Read it again."""
        path = Path(folder) / "new_plugin.safetensors"
        if not path.exists():
            raise UserError(f"{path}: not there; train the codec again with `ellav fit-codec`")
        self.loudest = float(load_file(path)["loudest"][0])

    def _edges(self, frames):
        """Samples at which the parts of the frames begin and end."""
        parts = np.arange(frames * self.codebooks + 1)
        return np.round(parts * self.sample_rate / (self.frame_rate * self.codebooks)).astype(int)
