"""Transcripts that stand beside recordings: `me.txt` for `me.wav`. Nothing heavy is imported."""

from __future__ import annotations

import os
from pathlib import Path

from ellav.errors import UserError
from ellav.text_files import read_text

MOST_BYTES = 100_000


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
