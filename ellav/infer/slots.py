"""The state of scripts that are being decoded: a row of tensors of fixed shape for each slot, written in place."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ellav.infer.uniforms import uniforms
from ellav.models.device import sent
from ellav.types import NONE, DecodingScript

if TYPE_CHECKING:
    from ellav.infer.engine import Engine

COLUMNS, FORCED_END = 8, 7
"""Of a script's table: its columns, and which one says where a segment's forced rows end."""

_CHANGING = ("segment", "next_forced", "count", "position", "slot", "samples", "cuts")
_CONFIDENCE = ("log_probability", "sampled")


class Slots:
    """rows: name -> (capacity, ...), a row for each slot. width: rows that are fed a step.

    confidence: the names of two more rows, or of none: the log-probabilities of the codes that a slot has sampled, in
    order, and how many these are. Of codes that are sampled side by side the first place has the sum, the others 0.
    """

    def __init__(self, engine: Engine, capacity: int, width: int, confidence: bool = False):
        self.engine, self.capacity, self.width = engine, capacity, width
        self.confidence = _CONFIDENCE if confidence else ()
        self._streams = S = engine.ordering.streams
        whole = {"dtype": torch.int64, "device": engine.device}
        self.rows = {name: torch.zeros(capacity, **whole) for name in (*_CHANGING, "segments")}
        for name in ("ready", "done", "more", "has_token", "holds_frame", "last_cut"):
            self.rows[name] = torch.zeros(capacity, dtype=torch.bool, device=engine.device)
        self.rows |= {
            "now": torch.zeros(capacity, COLUMNS + S, **whole),
            "token": torch.zeros(capacity, S, **whole),
            "history": torch.full((capacity, S, engine.decoder.history), NONE, **whole),
            "forced": torch.full((capacity, 1, S), NONE, **whole),
            "table": torch.zeros(capacity, 1, COLUMNS + S, **whole),
            "ids": torch.full((capacity, 1, S), NONE, **whole),
            "uniforms": torch.zeros(capacity, 1, 2 * S, device=engine.device),
        }
        if confidence:
            self.rows["log_probability"] = torch.zeros(capacity, 1, 1, device=engine.device)
            self.rows["sampled"] = torch.zeros(capacity, **whole)
        # A step may compute slots that nothing was written into yet: they are empty ones.
        self.rows["done"].fill_(True)
        for name in ("now", "table"):
            self.rows[name][..., FORCED_END] = NONE

    def first(self, used: int) -> dict[str, Tensor]:
        """The state of the first `used` slots."""
        return self.rows if used == self.capacity else {name: tensor[:used] for name, tensor in self.rows.items()}

    def write(self, slot: int, script: DecodingScript, key: int) -> None:
        """A script and its state at the beginning, into a slot. key: of its uniform numbers."""
        engine, rows = self.engine, self.rows
        if engine.decoder.history:
            rows["history"][slot] = self.to_device(engine.heard(script))
        begin = {"count": script.count, "position": script.next_position, "slot": len(script.prefix)}
        for name in (*_CHANGING, *self.confidence, "last_cut", "has_token", "holds_frame"):
            rows[name][slot] = begin.get(name, 0)
        self._tell(slot, script, key, 0)

    def extend(self, slot: int, script: DecodingScript, key: int) -> None:
        """A longer script that begins as the slot's own: what was decoded stays, and goes on if it waited."""
        self._tell(slot, script, key, int(self.rows["segment"][slot]))

    def _tell(self, slot: int, script: DecodingScript, key: int, segment: int) -> None:
        """What a script says, and its uniform numbers, into a slot that decodes segment `segment` of it."""
        engine, rows, segments = self.engine, self.rows, len(script.state)
        self._room("forced", len(script.forced) + self.width)
        self._room("table", segments + 1)
        self._room("uniforms", script.bound + 1)
        self._room("ids", len(script.prefix) + script.bound + self.width)
        if self.confidence:
            self._room("log_probability", self._streams * (script.bound + 1))
        table = np.zeros((segments + 1, COLUMNS + self._streams), np.int64)
        table[:segments] = engine.segments(script)
        table[segments, FORCED_END] = NONE  # the closing rows are nobody's to feed
        rows["table"][slot, : segments + 1] = self.to_device(table)
        rows["forced"][slot, : len(script.forced)] = self.to_device(script.forced.astype(np.int64))
        draws = torch.arange(script.bound + 1, device=engine.device)
        rows["uniforms"][slot, : len(draws)] = uniforms(torch.full_like(draws, key), draws, 2 * self._streams)
        rows["segments"][slot], rows["more"][slot] = segments, script.more
        rows["now"][slot], rows["done"][slot] = rows["table"][slot, segment], segment == segments
        rows["ready"][slot] = rows["next_forced"][slot] == rows["now"][slot, FORCED_END]

    def free(self, slot: int) -> None:
        """Empty a slot: it is computed still, but neither fed nor sampled."""
        for name in ("ready", "more", "has_token", "slot", "next_forced"):
            self.rows[name][slot] = 0
        self.rows["done"][slot] = True
        self.rows["segment"][slot] = self.rows["segments"][slot]
        self.rows["now"][slot, FORCED_END] = NONE

    def to_device(self, array: np.ndarray) -> Tensor:
        return sent(torch.from_numpy(np.ascontiguousarray(array)), self.engine.device)

    def _room(self, name: str, size: int) -> None:
        """Make a state tensor at least so long, in powers of two, so that shapes change seldom."""
        old = self.rows[name]
        if old.shape[1] < size:
            grown = old.new_zeros(len(old), 1 << (size - 1).bit_length(), old.shape[2])
            grown[:, : old.shape[1]] = old
            self.rows[name] = grown
