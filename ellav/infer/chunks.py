"""Long texts in parts that a model can speak: at ends of sentences, then at other punctuation, then between words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

from ellav.errors import UserError
from ellav.plugins.text.sentence import ends_sentence

LEVELS = (
    (re.compile(r"(?<=[!?…。！？])[\"'”’)\]]*\s*|(?<=\.)[\"'”’)\]]*\s+|\n\s*\n\s*"), 0.40),
    (re.compile(r"(?<=[,;:，；：、])\s+|(?<=[，；：、])|\s+(?=[–—-]\s)"), 0.15),
    (re.compile(r"\s+"), 0.0),
)
"""Where a text may be cut, best places first, and the seconds of silence that are due there. A full stop is no such
place where it is an abbreviation's (`ends_sentence`)."""


class Chunk(NamedTuple):
    """A part of a text. pause: seconds of silence due after it, 0 for the last."""

    text: str
    pause: float


def split(text: str, size: Callable[[str], int], most: int) -> list[Chunk]:
    """Cut `text` into as few and as even parts as fit, in order; one part where it fits as a whole.

    size: of a part, 0 where nothing in it is spoken. A single word larger than `most`
    stays whole. Parts without speech are joined to the one before.
    """
    return [Chunk(part.text.strip(), part.pause) for part in _join(_pieces(text, size, most, 0), size, most)]


def sentences(pieces: Iterable[str]) -> Iterator[str]:
    """The sentences of a text that comes in pieces, each as soon as what follows it shows that it has ended."""
    text = ""
    for piece in strings(pieces):
        text += piece
        while end := first_end(text):
            yield text[:end]
            text = text[end:]
    if text.strip():
        yield text


def strings(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces; raises UserError at the first that is no string."""
    for piece in pieces:
        if not isinstance(piece, str):
            raise UserError(f"pieces of text must be strings, not {type(piece).__name__}")
        yield piece


def first_end(text: str) -> int:
    """Where the first sentence of a text that may go on has ended for certain, 0 where none has."""
    for match in LEVELS[0][0].finditer(text):
        # Not before more marks and quotes, nor before it is seen what comes then: `...`, `?!`, `J. Smith`, `p. 5`.
        behind = text[match.end() :].lstrip(" \t\n\"'”’)]»")
        if text[: match.end()].strip() and behind and behind[0] not in ".!?…" and _is_end(text, match):
            return match.end()
    return 0


def _pieces(text: str, size: Callable[[str], int], most: int, level: int) -> list[Chunk]:
    """Parts no larger than `most`, each cut at the best places that achieve it."""
    if level == len(LEVELS) or size(text) <= most:
        return [Chunk(text, 0.0)]
    place, pause = LEVELS[level]
    found = [match for match in place.finditer(text) if level or _is_end(text, match)]
    ends = [match.end() for match in found if 0 < match.end() < len(text)]
    parts = []
    for start, end in pairwise([0, *ends, len(text)]):
        inner = _join(_pieces(text[start:end], size, most, level + 1), size, most)
        parts += [*inner[:-1], Chunk(inner[-1].text, pause if end < len(text) else 0.0)]
    return parts


def _is_end(text: str, match: re.Match) -> bool:
    """Whether the text may be cut there: not at the full stop of an abbreviation."""
    before = text[: match.end()].rstrip()
    return not before.rstrip("\"'”’)]").endswith(".") or "\n" in match[0] or ends_sentence(before, text[match.end() :])


def _join(parts: list[Chunk], size: Callable[[str], int], most: int) -> list[Chunk]:
    """Neighbours put together while they fit, evenly: no part is closed before its fair share."""
    sizes = [size(part.text) for part in parts]
    count = max(1, -(-sum(sizes) // max(1, most)))
    share = sum(sizes) / count
    made: list[list] = []  # text, pause, size
    for part, length in zip(parts, sizes, strict=True):
        last = made[-1] if made else None
        if last is not None and (length == 0 or (last[2] + length <= most and last[2] < share) or last[2] == 0):
            last[:] = [last[0] + part.text, part.pause, last[2] + length]
        else:
            made.append([part.text, part.pause, length])
    return [Chunk(text, pause) for text, pause, _ in made]
