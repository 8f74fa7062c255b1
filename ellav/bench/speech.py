"""Generated utterances: random phones and codes, as long as speech is; nothing can be learned from them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ellav.data.speakers import group_by_speaker
from ellav.types import NONE, SILENCE, DecodingRequest, Utterance

PHONES = (SILENCE, *(f"P{number}" for number in range(1, 70)))
"""About as many as English has with its stresses."""
A_SECOND, A_WORD = 10, 3
"""Phones, as people speak."""
SPEAKERS = 10


class Codes(NamedTuple):
    """What a codec makes: frame_rate, frames a second; codebooks, Q; size, entries of each."""

    frame_rate: float
    codebooks: int
    size: int


class GeneratedSpeech:
    """So many utterances, from short to long ones; `ellav.data.batching.Utterances` says what can be read of them.

    codes: what is made up. phones: how many there are. seconds: the shortest and the longest. most_frames: none is
    longer.
    """

    def __init__(self, count: int, codes: Codes, phones: int, seconds: tuple[float, float], most_frames: int):
        rng = np.random.default_rng(0)
        least, most = (max(A_WORD, min(most_frames, round(bound * codes.frame_rate))) for bound in seconds)
        self.lengths = rng.integers(least, most + 1, count).astype(np.int32)
        self.ids = [f"utterance{number}" for number in range(count)]
        self._made = [
            generated(rng, name, int(frames), phones, codes, f"speaker{number % SPEAKERS}")
            for number, (name, frames) in enumerate(zip(self.ids, self.lengths, strict=True))
        ]
        self.speakers = [utterance.speaker for utterance in self._made]
        self.by_speaker = group_by_speaker(self.speakers)

    def __len__(self) -> int:
        return len(self._made)

    def __getitem__(self, index: int) -> Utterance:
        return self._made[index]


def generated(
    rng: np.random.Generator, name: str, frames: int, phones: int, codes: Codes, speaker: str = "speaker"
) -> Utterance:
    """An utterance of so many frames, at least 3: silence at both ends, words of three phones between."""
    count = min(frames, max(A_WORD, round(frames / codes.frame_rate * A_SECOND)))
    ends = np.sort(rng.choice(np.arange(1, frames), count - 1, replace=False))
    chosen = rng.integers(1, phones, count).astype(np.int32)
    words = (np.arange(count) // A_WORD).astype(np.int32)
    chosen[[0, -1]], words[[0, -1]] = 0, NONE
    return Utterance(
        name,
        speaker,
        "und",
        chosen,
        words,
        np.diff(ends, prepend=0, append=frames).astype(np.int32),
        rng.integers(0, codes.size, (frames, codes.codebooks)).astype(np.int16),
    )


def request_of(prompt: Utterance, target: Utterance) -> DecodingRequest:
    """Speak the phones of `target` after `prompt`, each exactly as long as there."""
    durations = np.concatenate([prompt.durations, target.durations])
    after = int(prompt.word_of_phone.max()) + 1
    words = np.where(target.word_of_phone >= 0, target.word_of_phone + after, NONE)
    return DecodingRequest(
        id=target.id,
        phones=np.concatenate([prompt.phones, target.phones]),
        word_of_phone=np.concatenate([prompt.word_of_phone, words]).astype(np.int32),
        codes=prompt.codes,
        durations=prompt.durations,
        open=False,
        least=durations,
        most=durations,
        max_frames=target.frames,
    )
