"""Kaldi ark files: entries behind one another, with their places in an scp file."""

from __future__ import annotations

import contextlib
from pathlib import Path

from ellav.data.outputs import naming, write_text


class ArkWriter:
    """Writes `NAME.ark` and `NAME.scp` into `folder`, in the order of the calls.

    final: the folder's name once the stage is done; the scp file points there. What an interrupted run left in
    `folder` is kept: `notes` holds its utterances and what was noted of each, `places` where their entries begin.
    """

    def __init__(self, folder: Path | str, name: str, final: Path | str | None = None):
        self.ark, self.scp = Path(folder) / f"{name}.ark", Path(folder) / f"{name}.scp"
        self.ark_name = str(Path(final or folder) / f"{name}.ark")
        self.notes: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self._rows = self.scp.with_name(f"{name}.scp.unsorted")
        end = self._resume()
        self._entries = open(self.ark, "r+b" if self.ark.exists() else "w+b")  # noqa: SIM115
        self._entries.truncate(end)
        self._entries.seek(end)
        self._unsorted = open(self._rows, "a", encoding="utf-8")  # noqa: SIM115

    def __enter__(self) -> ArkWriter:
        return self

    def __exit__(self, kind, error, traceback) -> None:
        with naming(self.ark), contextlib.suppress(*[OSError] if kind else []):
            self._entries.close()
            self._unsorted.close()
        if kind is None:
            rows = sorted(self.places.items(), key=lambda row: row[0].encode())
            write_text(self.scp, "".join(f"{utterance} {place}\n" for utterance, place in rows))
            self._rows.unlink()

    def write(self, utterance: str, entry: bytes, note: str) -> None:
        """note: one word, for the run that goes on after an interruption."""
        key = utterance.encode() + b" "
        place = f"{self.ark_name}:{self._entries.tell() + len(key)}"
        with naming(self.ark):
            self._entries.write(key + entry)
            self._entries.flush()
            self._unsorted.write(f"{utterance} {place} {self._entries.tell()}:{note}\n")
            self._unsorted.flush()
        self.notes[utterance], self.places[utterance] = note, place

    def _resume(self) -> int:
        """Length of the ark up to the last entry that both files hold in full."""
        if not (self.ark.exists() and self._rows.exists()):
            self._rows.unlink(missing_ok=True)
            return 0
        end, kept = 0, []
        for line in self._rows.read_text(encoding="utf-8").split("\n")[:-1]:  # a torn last line goes
            utterance, _, rest = line.partition(" ")
            place, _, about = rest.rpartition(" ")
            entry_end, _, note = about.partition(":")
            if int(entry_end) > self.ark.stat().st_size:
                break
            end = int(entry_end)
            self.notes[utterance], self.places[utterance] = note, place
            kept.append(line + "\n")
        write_text(self._rows, "".join(kept))
        return end
