"""The likeliest way through the states of a sentence's phones (Viterbi), several sentences at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ellav.plugins.text import Phones
from ellav.types import SILENCE

STATES = 3
"""Of a phone, one after the other, each at least one frame long."""
PAUSE = 8
"""Frames that a silence has at least, where there is one. It has one state, which is repeated."""
UNWRITTEN = -20.0
"""Logarithm of the odds of a silence between two words where the text has none."""


@dataclass(frozen=True)
class Chain:
    """The places of a sentence, in the order of time.

    state: (S,) the state heard there. phone: (S,) index of the phone it belongs to: silence
    that the text lacks is of the phone before. skip: (S,) 0 where a silence before this
    place may be left out, else -inf. enter: (S,) added on coming from the place before.
    """

    state: np.ndarray
    phone: np.ndarray
    skip: np.ndarray
    enter: np.ndarray

    @property
    def starts(self) -> list[int]:
        """Places to begin at."""
        return [0, PAUSE] if self.skip.size > PAUSE and self.skip[PAUSE] == 0 else [0]

    @property
    def ends(self) -> list[int]:
        """Places to end at, as offsets from the last."""
        return [0, PAUSE] if self.state.size > PAUSE and self.state[-1] == 0 else [0]

    @property
    def shortest(self) -> int:
        """Frames it needs at least."""
        return int((self.state != 0).sum()) or PAUSE


def chain(phones: Phones, numbers: dict[str, int]) -> Chain:
    """numbers: phone -> its number, from 1; phone k has the states from (k - 1) * STATES + 1 on, silence state 0.

    Raises KeyError for a phone that is not in it.
    """
    state, phone, skip, enter = [], [], [], []
    after_silence, last_word = False, None

    def silence(owner: int, odds: float) -> None:
        state.extend([0] * PAUSE)
        phone.extend([owner] * PAUSE)
        skip.extend([-np.inf] * PAUSE)
        enter.extend([odds] + [0.0] * (PAUSE - 1))

    for index, (symbol, word) in enumerate(zip(phones.phones, phones.word_of_phone, strict=True)):
        if symbol == SILENCE:
            silence(index, 0.0)
            after_silence = True
            continue
        if not after_silence and last_word not in (None, word):
            silence(index - 1, UNWRITTEN)
            after_silence = True
        first = (numbers[symbol] - 1) * STATES + 1
        state.extend(range(first, first + STATES))
        phone.extend([index] * STATES)
        skip.extend([0.0 if after_silence else -np.inf] + [-np.inf] * (STATES - 1))
        enter.extend([0.0] * STATES)
        after_silence, last_word = False, word
    return Chain(*(np.array(x) for x in (state, phone)), *(np.array(x, np.float32) for x in (skip, enter)))


def best_paths(likelihoods: list[np.ndarray], chains: list[Chain]) -> list[np.ndarray]:
    """For each sentence the place in its chain at every frame, (T,).

    likelihoods: (T, states) each, logarithms for every state; no T is below its chain's `shortest`.
    """
    count, lengths = len(chains), np.array([len(one) for one in likelihoods])
    frames, places, margin = lengths.max(), max(len(one.state) for one in chains), PAUSE + 1
    heard = np.full((frames, count, places), -np.inf, np.float32)
    skip, enter = np.full((2, count, places), -np.inf, np.float32)
    # Scores of places before the first keep the recursion free of special cases.
    scores = np.full((count, margin + places), -np.inf, np.float32)
    now, before, beyond = scores[:, margin:], scores[:, PAUSE:-1], scores[:, :-margin]
    for row, (likelihood, one) in enumerate(zip(likelihoods, chains, strict=True)):
        heard[: len(likelihood), row, : len(one.state)] = likelihood[:, one.state]
        skip[row, : len(one.skip)], enter[row, : len(one.enter)] = one.skip, one.enter
        now[row, one.starts] = heard[0, row, one.starts]
    came = np.zeros((frames, count, places), np.uint8)  # 0: from here, 1: the place before, 2: over a silence
    last = np.zeros(count, int)
    for frame in range(frames):
        if frame:
            step, leap = before + enter, beyond + skip
            moved = np.maximum(step, leap)
            came[frame] = moved > now
            came[frame] <<= leap > step
            now[:] = np.maximum(now, moved) + heard[frame]
        for row in np.flatnonzero(lengths == frame + 1):
            final = len(chains[row].state) - 1 - np.array(chains[row].ends)
            last[row] = final[now[row, final].argmax()]
    path = np.zeros((frames, count), int)
    rows, jump = np.arange(count), np.array([0, 1, margin])
    for frame in range(frames - 1, -1, -1):
        path[frame] = last
        moved = jump[came[frame, rows, last]]
        last = np.where(frame < lengths, last - moved, last)
    return [path[:length, row] for row, length in enumerate(lengths)]
