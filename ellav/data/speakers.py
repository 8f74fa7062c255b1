"""Which utterances are of which speaker, as two arrays."""

from __future__ import annotations

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
