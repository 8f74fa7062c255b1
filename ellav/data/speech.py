"""Pieces of a formatted data folder's speech, read at random: what a codec learns from, whatever the hours."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ellav.data.audio import read_recording, resample
from ellav.data.kaldi import read_table
from ellav.errors import UserError


class Speech:
    """The utterances of a folder that `ellav format-wavs` wrote.

    sample_rate: Hz of the pieces. held_out: utterances, drawn by `seed`, that `piece` never reads; an eighth of them
    at most.
    """

    def __init__(self, folder: Path, sample_rate: int, held_out: int = 0, seed: int = 0):
        self.sample_rate = sample_rate
        wavs, samples = read_table(folder / "wav.scp"), read_table(folder / "utt2num_samples")
        held_out = min(held_out, max(1, len(wavs) // 8))
        if len(wavs) <= held_out or wavs.keys() != samples.keys():
            raise UserError(f"{folder}: {len(wavs)} utterances are too few to learn a codec from; rerun stage 2")
        order = np.random.default_rng(seed).permutation(len(wavs))
        paths, lengths = list(wavs.values()), np.array([int(count) for count in samples.values()])
        self.held_out = [paths[i] for i in order[:held_out]]
        self._paths = [paths[i] for i in order[held_out:]]
        self._ends = np.cumsum(lengths[order[held_out:]])

    def piece(self, seconds: float, rng: np.random.Generator) -> np.ndarray:
        """(round(seconds * sample_rate),) float32 of a random place; behind an utterance that ends earlier, zeros."""
        at = int(rng.integers(self._ends[-1]))
        path = self._paths[int(np.searchsorted(self._ends, at, side="right"))]
        return read_piece(path, rng.random(), seconds, self.sample_rate)


def read_piece(path: str, place: float, seconds: float, sample_rate: int) -> np.ndarray:
    """A piece of a file: the first possible one at place 0, the last at 1."""
    import soundfile

    about = soundfile.info(path)
    start = place * max(0.0, about.frames / about.samplerate - seconds)
    wav, rate = read_recording(path, start, start + seconds if start > 0 else None)
    samples = round(seconds * sample_rate)
    made = resample(wav.mean(axis=1), rate, sample_rate)[:samples]
    return np.pad(made, (0, samples - len(made)))
