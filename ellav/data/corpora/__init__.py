"""Corpora of people's speech in their own layouts, read a reader or a recording at a time."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple


class Spoken(NamedTuple):
    """An utterance of a corpus: what lies between `start` and `end` seconds of the file `wav` (end None: all of it).

    recording: the id of the file, where it holds more than this utterance. seconds: how long it lasts.
    """

    id: str
    speaker: str
    text: str
    wav: str
    seconds: float
    recording: str = ""
    start: float = 0.0
    end: float | None = None


class Dropped(NamedTuple):
    """What of a corpus is not used. kind: the filter, under which such are counted; reason: of this one."""

    id: str
    kind: str
    reason: str
    seconds: float = 0.0


AUDIO = (".flac", ".wav", ".opus", ".mp3")
"""Endings of recordings; where one is there twice, the first of these is read."""


def has_folders_of_files(folder: Path) -> bool:
    """Whether it is a reader's: a folder with chapters or books that are not empty."""
    return folder.is_dir() and any(part.is_dir() and any(part.iterdir()) for part in folder.iterdir())
