"""Results of long work as they come, so that a killed stage keeps them."""

from __future__ import annotations

import json
from pathlib import Path

from ellav.data.outputs import naming, write_text
from ellav.errors import UserError


class Journal:
    """A file of one result a line; it is removed when the `with` block ends without an error, unless it is to `stay`.

    found: key -> value, of this run and of an interrupted one before it.
    """

    def __init__(self, path: Path, stay: bool = False):
        self.path, self.stay = Path(path), stay
        self.found: dict[str, object] = {}
        if self.path.exists():
            whole = self.path.read_text(encoding="utf-8").split("\n")[:-1]  # what follows the last end is torn
            try:
                self.found = dict(map(json.loads, whole))
            except (ValueError, TypeError):
                raise UserError(f"{self.path}: damaged; remove it, what it holds is made again") from None
            write_text(self.path, "".join(f"{line}\n" for line in whole))
        self._stream = open(self.path, "a", encoding="utf-8")  # noqa: SIM115

    def add(self, key: str, value) -> None:
        """Keep a result. value: plain lists, dicts, strings and numbers."""
        with naming(self.path):
            self._stream.write(json.dumps([key, value], ensure_ascii=False) + "\n")
            self._stream.flush()
        self.found[key] = value

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        try:
            self._stream.close()
        except OSError:  # told already by `add`
            if kind is None:
                raise
        if kind is None and not self.stay:
            self.path.unlink()
