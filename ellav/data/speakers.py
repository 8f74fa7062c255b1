"""Which utterances are of which speaker, as two arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BySpeaker:
    """U utterances by S speakers.

    order: (U,) integers, the utterances, those of a speaker side by side and in the order of the set, speakers in the
    order of their names. ends: (S,) where those of each end in it; each speaker has some.
    """

    order: np.ndarray
    ends: np.ndarray


def group_by_speaker(speakers: np.ndarray | list[str]) -> BySpeaker:
    """speakers: (U,) the name of each utterance's, or numbers in the order of the names."""
    speakers = np.asarray(speakers)
    order = np.argsort(speakers, kind="stable").astype(np.int32)
    own = speakers[order]
    return BySpeaker(order, np.append(np.flatnonzero(own[1:] != own[:-1]) + 1, len(own)))


def group_chunks(chunks: Sequence[np.ndarray]) -> BySpeaker:
    """The same of numbers that come in chunks, each below S, every number somewhere; what it needs besides its result
    grows with the longest chunk alone."""
    found = [np.unique(chunk, return_counts=True) for chunk in chunks]
    sizes = np.zeros(1 + max(int(numbers[-1]) for numbers, _ in found if len(numbers)), np.int64)
    for numbers, counts in found:
        sizes[numbers] += counts
    ends = np.cumsum(sizes)
    free = ends - sizes  # where the next utterance of each speaker goes
    order, begin = np.empty(ends[-1], np.int32), 0
    for chunk, (numbers, counts) in zip(chunks, found, strict=True):
        local = np.argsort(chunk, kind="stable")
        places = np.repeat(free[numbers] - np.cumsum(counts) + counts, counts) + np.arange(len(chunk))
        order[places] = local + begin
        free[numbers] += counts
        begin += len(chunk)
    return BySpeaker(order, ends)
