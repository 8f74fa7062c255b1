"""Libriheavy (arXiv 2309.08105): transcripts of Libri-Light with case and punctuation, as Lhotse's cuts.

libriheavy_cuts_SUBSET.jsonl.gz has a cut a line: `start` and `duration` in seconds, `recording.id` =
SUBSET/READER/BOOK/FILE, and `supervisions[0].custom.texts` = [as the book has it, as a recogniser heard it].
"""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from ellav.data.corpora import AUDIO, Dropped, Spoken
from ellav.data.corpora.librilight import piece_id, readable_seconds, recording_id
from ellav.data.corpora.pauses import Span
from ellav.errors import UserError, one_line


def manifest(folder: Path, subset: str) -> Path:
    """The file of a subset. Raises UserError where it is not there."""
    path = folder / f"libriheavy_cuts_{subset}.jsonl.gz"
    if not path.exists():
        raise UserError(f"{path}: not there; --libriheavy names the folder of Libriheavy's manifests")
    return path


def cuts(path: Path, root: Path, most_disagreement: float) -> Iterator[Spoken | Dropped]:
    """What a manifest says of the recordings under `root`, line by line.

    most_disagreement: largest share of words in which book and recogniser may differ. Raises UserError naming the
    file and the line up to which it could be read, if it is damaged.
    """
    number = 0
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _spoken(f"{path.name}:{number}", line, root, most_disagreement)
    except (EOFError, gzip.BadGzipFile, zlib.error, UnicodeDecodeError) as error:
        raise UserError(f"{path}:{number + 1}: damaged ({one_line(error)}); fetch it anew") from None


def _spoken(where: str, line: str, root: Path, most_disagreement: float) -> Spoken | Dropped:
    try:
        cut = json.loads(line)
        supervision = cut["supervisions"][0]
        subset, reader, book, file = cut["recording"]["id"].split("/")
        start = float(cut["start"]) + float(supervision.get("start", 0))
        span = Span(start, start + float(supervision.get("duration", cut["duration"])))
        texts = supervision.get("custom", {}).get("texts") or [supervision["text"]]
        words = " ".join(texts[0].split())
        heard = texts[1] if len(texts) > 1 else None
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        return Dropped(where, "manifest", f"not a cut of Libriheavy ({type(error).__name__}: {one_line(error)})")
    recording = recording_id(reader, book, file)
    id = piece_id(recording, span)
    found = _find(str(root / subset / reader / book / file))
    if found.fault:
        return Dropped(id, "no-audio", f"{where}: {found.fault}", span.seconds)
    if span.start < 0 or span.end > found.seconds + 0.1:
        reason = f"{where}: ends at {span.end:.2f} s, and {found.wav} has {found.seconds:.2f} s"
        return Dropped(id, "beyond-the-end", reason, span.seconds)
    if not words:
        return Dropped(id, "no-transcript", f"{where}: no words", span.seconds)
    differ = disagreement(words, heard) if heard is not None else 0.0
    if differ > most_disagreement:
        reason = f"{where}: the book and what was heard differ in {differ:.0%} of the words"
        return Dropped(id, "confidence", reason, span.seconds)
    return Spoken(id, reader, words, found.wav, span.seconds, recording, span.start, min(span.end, found.seconds))


class _Found(NamedTuple):
    """A recording's file and its seconds, or why there is none."""

    wav: str
    seconds: float
    fault: str = ""


@lru_cache(maxsize=8)  # cuts of one recording follow each other
def _find(stem: str) -> _Found:
    for suffix in AUDIO:
        if os.path.exists(stem + suffix):
            try:
                return _Found(stem + suffix, readable_seconds(stem + suffix))
            except UserError as error:
                return _Found("", 0.0, str(error))
    return _Found("", 0.0, f"{stem}{AUDIO[0]} is not there")


def disagreement(first: str, second: str) -> float:
    """Share of words in which two transcripts differ, case and punctuation aside."""
    from rapidfuzz.distance import Levenshtein

    return Levenshtein.normalized_distance(_words(first), _words(second))


def _words(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", text.upper().replace("’", "'"))
