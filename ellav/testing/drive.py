"""The meaning of a decoding script, in plain numpy: the reference for every engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from ellav.types import NONE, DecodingScript, State


@dataclass(frozen=True)
class Driven:
    """ids: (L, S), prefix and closing rows included. positions: (L,). cuts: (K,) boolean,
    segments ended by force that might have had other numbers of rows. steps: rows fed or sampled after the prefix."""

    ids: np.ndarray
    positions: np.ndarray
    cuts: np.ndarray
    steps: int


def drive(
    script: DecodingScript,
    states: tuple[State, ...],
    positions: Literal["token", "frame"],
    choose: Callable[[list[np.ndarray], int, np.ndarray], np.ndarray],
) -> Driven:
    """Run a script. choose(rows so far, segment, allowed (S, V)) -> (S,) ids.

    Raises ValueError where `choose` returns an id that is not allowed.
    """
    rows = list(script.prefix)
    places = list(script.positions)
    place = script.next_position
    segments = len(script.state)
    cuts = np.zeros(segments, bool)

    def feed(row: np.ndarray, holds_frame: bool) -> None:
        nonlocal place
        rows.append(np.asarray(row, np.int32))
        places.append(place)
        place += 1 if positions == "token" or holds_frame else 0

    count = script.count
    for k in range(segments):
        for row in script.forced[script.offset[k] : script.offset[k + 1]]:
            feed(row, False)
        state = states[script.state[k]]
        while True:
            if state.trigger == NONE and count >= script.most[k]:
                break
            last = count if state.own_row else count + 1  # rows, if the trigger came now
            allowed = state.allowed.copy()
            force = state.trigger != NONE and last >= script.most[k]
            if state.trigger != NONE and last < script.least[k] and not force:
                allowed[:, state.trigger] = False
            row = np.array(choose(rows, k, allowed), np.int32)
            held = script.hold[k] != NONE
            if not all(allowed[s, row[s]] for s in np.flatnonzero(~held)):
                raise ValueError(f"segment {k}: {row} is not allowed")
            row[held] = script.hold[k][held]
            if force:
                stream = 0 if state.own_row else int(np.flatnonzero(state.allowed[:, state.trigger])[0])
                row[stream] = state.trigger
                cuts[k] = script.least[k] < script.most[k]
            ended = state.trigger != NONE and (
                row[0] == state.trigger if state.own_row else (row == state.trigger).any()
            )
            if ended and state.own_row:
                row[1:] = NONE
                feed(row, False)
                break
            feed(row, True)
            count += 1
            if ended:
                break
        count = 0
    for row in script.forced[script.offset[segments] : script.offset[segments + 1]]:
        feed(row, False)
    steps = len(rows) - len(script.prefix)
    return Driven(np.array(rows, np.int32), np.array(places, np.int32), cuts, steps)
