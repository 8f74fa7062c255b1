"""A data folder written row by row, whatever the size of the set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import IO

from ellav.data.corpora import Dropped, Spoken
from ellav.data.outputs import write_text
from ellav.data.sorting import sort
from ellav.errors import UserError, one_line

SORTED = ("wav.scp", "text", "utt2spk", "segments", "utt2prompt", "targets", "dropped")
"""Tables that are sorted by their first column at the end."""


class FolderWriter:
    """Takes utterances in any order and keeps none of them in memory; `close` sorts the tables (by `sort`, on disk).

    `dropped` has what was left out with the reasons, `dropped_counts` how much of it each filter left out.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.utterances = 0
        self.seconds = 0.0
        self.drops: Counter[str] = Counter()
        self.dropped_seconds: Counter[str] = Counter()
        self._files: dict[str, IO[str]] = {}
        self._recording = ""
        for name in (*SORTED, "spk2utt", "prompts.lst"):  # of an interrupted run
            (folder / name).unlink(missing_ok=True)
        for name in ("wav.scp", "text", "utt2spk", "dropped"):
            self._file(name)

    def add(self, spoken: Spoken) -> None:
        """One utterance."""
        key = spoken.recording or spoken.id
        if key != self._recording:
            self.row("wav.scp", key, spoken.wav)
            self._recording = key
        if spoken.recording:
            end = -1 if spoken.end is None else spoken.end
            self.row("segments", spoken.id, f"{spoken.recording} {spoken.start:.3f} {end:.3f}")
        self.row("text", spoken.id, " ".join(spoken.text.split()))
        self.row("utt2spk", spoken.id, spoken.speaker)
        self.utterances += 1
        self.seconds += spoken.seconds

    def drop(self, dropped: Dropped) -> None:
        """One that is left out."""
        self.row("dropped", dropped.id, f"{dropped.kind}: {one_line(dropped.reason)}")
        self.drops[dropped.kind] += 1
        self.dropped_seconds[dropped.kind] += dropped.seconds

    def row(self, table: str, key: str, value: str = "") -> None:
        """One line of a table."""
        self._file(table).write(f"{key} {value}".rstrip() + "\n")

    def line(self, name: str, content: str) -> None:
        """One line of a list, which stays in the order it is written in."""
        self._file(name).write(content + "\n")

    def close(self) -> None:
        """Sort the tables and write what follows from them. Raises UserError for an id that stands twice."""
        for file in self._files.values():
            file.close()
        for name in SORTED:
            if name in self._files:
                sort(self.folder / name, once=name == "wav.scp" and "segments" in self._files)
        with open(self.folder / "spk2utt", "w", encoding="utf-8") as out:
            for speaker, group in groupby(self._speakers(), key=lambda pair: pair[1]):
                out.write(" ".join([speaker, *(utterance for utterance, _ in group)]) + "\n")
        sort(self.folder / "spk2utt")
        counts = [f"{kind} {self.drops[kind]} {self.dropped_seconds[kind]:.1f}\n" for kind in sorted(self.drops)]
        write_text(self.folder / "dropped_counts", "".join(counts))

    def summary(self, folder: Path | None = None) -> str:
        """How much there is and how much each filter left out, in one line. folder: where it is, or will be."""
        made = f"{self.utterances} utterances, {self.seconds / 3600:.2f} h"
        if not self.drops:
            return made
        kinds = [f"{self.drops[kind]} by {kind}" for kind in sorted(self.drops)]
        return f"{made}; left out: {', '.join(kinds)} (each in {(folder or self.folder) / 'dropped'})"

    def _file(self, name: str) -> IO[str]:
        if name not in self._files:
            self._files[name] = open(self.folder / name, "w", encoding="utf-8")  # noqa: SIM115
        return self._files[name]

    def _speakers(self) -> Iterator[tuple[str, str]]:
        previous = None
        with open(self.folder / "utt2spk", encoding="utf-8") as lines:
            for line in lines:
                utterance, speaker = line.split()
                if utterance == previous:
                    raise UserError(
                        f"{self.folder / 'utt2spk'}: utterance {utterance!r} stands twice in the subsets; keep one of"
                        " the two files"
                    )
                previous = utterance
                yield utterance, speaker
