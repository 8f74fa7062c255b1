"""Tables too long to be held in memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np

from ellav.errors import UserError


class Lines:
    """Rows `KEY VALUE` of a table by their number, from the mapped file. stage: what writes it.

    Raises UserError where it is missing or its last line is torn.
    """

    def __init__(self, path: Path, stage: str = "stage 5 (tokens)"):
        if not path.exists():
            raise UserError(f"{path}: no such file; run {stage} first")
        self.path = path
        self._open()
        content = np.frombuffer(self._map, np.uint8) if len(self._map) else np.zeros(0, np.uint8)
        steps = range(0, len(content), 1 << 24)
        ends = [np.flatnonzero(content[step : step + (1 << 24)] == 10) + step for step in steps]
        self._ends = np.concatenate([np.array([-1]), *ends])
        if len(content) and content[-1] != 10:
            raise UserError(f"{path}: its last line is torn; rerun {stage}")

    def _open(self) -> None:
        with open(self.path, "rb") as stream:
            empty = not self.path.stat().st_size
            self._map = b"" if empty else mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)

    def __getstate__(self) -> dict:
        return {"path": self.path, "_ends": self._ends}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._open()

    def __len__(self) -> int:
        return len(self._ends) - 1

    def row(self, index: int) -> tuple[str, str]:
        line = bytes(self._map[self._ends[index] + 1 : self._ends[index + 1]]).decode()
        key, _, value = line.partition(" ")
        return key, value

    def columns(self) -> tuple[list[str], list[str]]:
        rows = [self.row(i) for i in range(len(self))]
        shared: dict[str, str] = {}  # one string per speaker, not per utterance
        return [key for key, _ in rows], [shared.setdefault(value, value) for _, value in rows]
