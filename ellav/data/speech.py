"""Pieces of a formatted data folder's speech, read at random: what a codec learns from, whatever the hours."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.data.audio import opened, resample
from ellav.data.files import Files
from ellav.data.kaldi import some_rows
from ellav.data.outputs import need
from ellav.data.shards import tables_of
from ellav.errors import UserError
from ellav.plugins.codecs import UNKNOWN

MOST = 100_000
"""Utterances that pieces are drawn from, evenly over the set: hundreds of hours, more than any codec needs."""


class Piece(NamedTuple):
    """wav: (samples,) float32, zeros behind an utterance that ends earlier. start: second of the utterance at which it
    begins."""

    wav: np.ndarray
    utterance: str
    start: float


class Speech:
    """The utterances of a folder that `ellav format-wavs` wrote; of a large one, MOST of them.

    sample_rate: Hz of the pieces. held_out: utterances, drawn by `seed`, that `piece` never reads; an eighth of them
    at most. align: the folder that `ellav align` made of them, for `phones_in`; `phones` are its phones then, sorted.
    """

    def __init__(self, folder: Path, sample_rate: int, held_out: int = 0, seed: int = 0, align: Path | None = None):
        self.sample_rate = sample_rate
        self._wavs, samples = (dict(some_rows(folder / name, MOST)) for name in ("wav.scp", "utt2num_samples"))
        held_out = min(held_out, max(1, len(self._wavs) // 8))
        if len(self._wavs) <= held_out or self._wavs.keys() != samples.keys():
            raise UserError(f"{folder}: {len(self._wavs)} utterances are too few to learn a codec from; rerun stage 2")
        order = np.random.default_rng(seed).permutation(len(self._wavs))
        ids, lengths = list(self._wavs), np.array([int(count) for count in samples.values()])
        self.held_out = [ids[i] for i in order[:held_out]]
        self._read = [ids[i] for i in order[held_out:]]
        self._ends = np.cumsum(lengths[order[held_out:]])
        self._times = None if align is None else _Times(align, self._wavs.keys())
        self.phones = [] if align is None else self._times.phones

    def piece(self, seconds: float, rng: np.random.Generator) -> Piece:
        """round(seconds * sample_rate) samples of a random place."""
        at = int(rng.integers(self._ends[-1]))
        utterance = self._read[int(np.searchsorted(self._ends, at, side="right"))]
        return self._piece(utterance, rng.random(), seconds)

    def held_out_pieces(self, seconds: float) -> list[Piece]:
        """The middle of each utterance that is held out."""
        return [self._piece(utterance, 0.5, seconds) for utterance in self.held_out]

    def phones_in(self, piece: Piece, frame_rate: float) -> np.ndarray:
        """(T,) int64: the phone spoken in the middle of each frame of a piece, as index into `phones`, UNKNOWN where
        there is none; T = ceil of the piece's seconds * frame_rate."""
        count = math.ceil(len(piece.wav) * frame_rate / self.sample_rate - 1e-9)
        return self._times.at(piece.utterance, piece.start + (np.arange(count) + 0.5) / frame_rate)

    def _piece(self, utterance: str, place: float, seconds: float) -> Piece:
        """The first possible piece at place 0, the last at 1. It may well be silent."""
        with opened(self._wavs[utterance]) as file:
            rate = file.samplerate
            start = place * max(0.0, file.length / rate - seconds)
            wav = file.part(round(start * rate), math.ceil(seconds * rate))
        samples = round(seconds * self.sample_rate)
        made = resample(wav.mean(axis=1), rate, self.sample_rate)[:samples]
        return Piece(np.pad(made, (0, samples - len(made))), utterance, start)


class _Times:
    """When which phone of an aligned set is spoken. The tables stay on disk; held are the places of `utterances`."""

    def __init__(self, folder: Path, utterances: Collection[str]):
        self._files = Files(_not_opened)
        self._said, self._ends = ({}, {})
        self.phones: list[str] = []
        known: set[str] = set()
        for name, places in (("phones", self._said), ("ends", self._ends)):
            for table in tables_of(need(folder / name, "3 (alignment)")):
                for utterance, place, line in _lines_of(table, utterances):
                    places[utterance] = place
                    if name == "phones":
                        known.update(line.split()[1:])
        self.phones = sorted(phone.decode() for phone in known)
        self._index = {phone: i for i, phone in enumerate(self.phones)}

    def at(self, utterance: str, times: np.ndarray) -> np.ndarray:
        """(T,) seconds -> (T,) int64 indices of phones, or UNKNOWN."""
        if utterance not in self._said or utterance not in self._ends:
            return np.full(len(times), UNKNOWN)
        said, ends = (self._values(places[utterance]) for places in (self._said, self._ends))
        found = np.searchsorted(np.array(ends, dtype=np.float64), times, side="right")
        return np.array([*(self._index[phone] for phone in said), UNKNOWN])[found]

    def _values(self, place: tuple[Path, int, int]) -> list[str]:
        path, start, size = place
        return self._files.read(path, size, start).decode().split()[1:]


def _lines_of(table: Path, wanted: Collection[str]) -> Iterator[tuple[str, tuple[Path, int, int], bytes]]:
    """Key, place (file, first byte, bytes) and content of the lines of these keys."""
    start = 0
    with open(table, "rb") as lines:
        for line in lines:
            key = line.partition(b" ")[0].decode()
            if key in wanted:
                yield key, (table, start, len(line)), line
            start += len(line)


def _not_opened(path: str, error: OSError) -> UserError:
    return UserError(f"{path}: {error.strerror.lower()}; rerun stage 3 (alignment)")
