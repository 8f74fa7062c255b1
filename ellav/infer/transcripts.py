"""Transcripts that stand beside recordings: `me.txt` for `me.wav`. Nothing heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path

from ellav.errors import UserError
from ellav.text_files import read_text

MOST_BYTES = 100_000


def check_place(recording: Path | str, where: str) -> None:
    """Refuse what names no file. where: what the message calls it."""
    if not str(recording).strip():
        raise UserError(f"{where} is empty; name a recording, or a built-in prompt")
    if os.path.isdir(recording):
        raise UserError(f"{where} {recording}: is a folder; name a recording, or a built-in prompt")


def transcript_beside(recording: Path | str) -> str | None:
    """The words that a recording's transcript says, None where there is none.

    Raises UserError where it is empty, not UTF-8 or too long to be one.
    """
    path = Path(recording).with_suffix(".txt")
    if not Path(recording).name or not path.is_file() or (os.path.exists(recording) and path.samefile(recording)):
        return None
    words = " ".join(read_text(path, MOST_BYTES).split())
    if not words:
        raise UserError(f"{path}: is empty; it should hold the words that {recording} says")
    return words
