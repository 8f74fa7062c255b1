"""Texts of which some words are marked: spoken at another rate, with given phones, letter by letter, or after a break.

A text is read as a whole, so that a word is read as it is among the others; marks are then laid over its words. Where
the words of the whole are not those of the pieces between marks (of `<...>$5</...> million` for example), each piece is
read by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from ellav.errors import UserError
from ellav.infer.growing import Word, phones_of, words_of
from ellav.plugins.text import Phones
from ellav.types import NONE, SILENCE

PAUSE_AT_END = re.compile(r"[,.;:!?…，。；：、！？—–][\"'”’)\]]*\s*$")
"""What ends a piece at which a speaker pauses."""


class Piece(NamedTuple):
    """A stretch of a text. rate: see `ellav.infer.asked.Request`. phones: what all of it is said as, None to read it.
    spelled: whether its letters and digits are said one by one. silence: seconds, of a piece without text."""

    text: str
    rate: float = 1.0
    phones: tuple[str, ...] | None = None
    spelled: bool = False
    silence: float | None = None


class Marked(NamedTuple):
    """A text as it is said. rate: (N,). silence: (N,) seconds that each `sp` is to last, NaN where nobody says."""

    said: Phones
    rate: np.ndarray
    silence: np.ndarray


def plain_text(pieces: Sequence[Piece]) -> str:
    """The text without its marks."""
    return "".join(piece.text for piece in pieces)


def between(pieces: Sequence[Piece], start: int, end: int) -> list[Piece]:
    """The pieces of a stretch of the plain text; a break at its end is inside, one at its beginning where that is the
    text's."""
    found, place = [], 0
    for piece in pieces:
        first, last = max(start - place, 0), min(end - place, len(piece.text))
        if first < last or (piece.silence is not None and (start < place <= end or start == place == 0)):
            found.append(piece._replace(text=piece.text[first:last]))
        place += len(piece.text)
    return found


def read_marked(pieces: Sequence[Piece], read: Callable[[str], Phones]) -> Marked:
    """What is said of pieces, N phones of it. read: the front end. Raises UserError where nothing is."""
    alone = [_words(piece, read) for piece in pieces]
    if not any(alone):
        raise UserError("the text is empty; give at least one word")
    try:
        words = words_of(read(plain_text(pieces)))
    except UserError:  # what has its phones given need not be readable
        words = []
    if len(words) != sum(map(len, alone)):
        words = _side_by_side(pieces, alone)
    rates, breaks, begun = [], {}, 0
    for piece, own in zip(pieces, alone, strict=True):
        if piece.silence is not None:
            breaks[begun] = breaks.get(begun, 0.0) + piece.silence
        elif piece.phones is not None or piece.spelled:
            words[begun : begun + len(own)] = [
                one._replace(pause=word.pause) for one, word in zip(own, words[begun:], strict=False)
            ]
        rates += [piece.rate] * len(own)
        begun += len(own)
    words = [word._replace(pause=word.pause or (i > 0 and i in breaks)) for i, word in enumerate(words)]
    said = phones_of(words, SILENCE)
    return Marked(said, *_by_phone(said, rates, breaks))


def _by_phone(said: Phones, rates: list[float], breaks: dict[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """Of each phone its rate, that of silence being that of the word before it, and the seconds it is to last.

    rates: of words. breaks: seconds by the number of words before them.
    """
    rate, silence, begun = np.ones(len(said.phones)), np.full(len(said.phones), np.nan), 0
    for i, owner in enumerate(said.word_of_phone):
        if owner != NONE:
            begun = owner + 1
        elif begun in breaks:
            silence[i] = breaks[begun]
        rate[i] = rates[max(begun - 1, 0)]
    return rate, silence


def _words(piece: Piece, read: Callable[[str], Phones]) -> list[Word]:
    """The words of a piece by itself."""
    if piece.spelled:
        signs = [sign for sign in piece.text if sign.isalnum()]
        return [word for sign in signs for word in words_of(read(sign.upper()))]
    if piece.phones is not None:
        return [Word(piece.text.strip().upper() or "".join(piece.phones), piece.phones, False)]
    try:
        return words_of(read(piece.text)) if piece.text.strip() else []
    except UserError:
        if any(map(str.isalnum, piece.text)):
            raise
        return []  # marks alone


def _side_by_side(pieces: Sequence[Piece], alone: Sequence[list[Word]]) -> list[Word]:
    """The words of all pieces, with the pauses that are in them and at their ends."""
    words: list[Word] = []
    before = ""
    for piece, own in zip(pieces, alone, strict=True):
        if own:
            pause = bool(words) and PAUSE_AT_END.search(before + piece.text[: _first_letter(piece.text)]) is not None
            words += [own[0]._replace(pause=pause), *own[1:]]
        before += piece.text
    return words


def _first_letter(text: str) -> int:
    return next((i for i, sign in enumerate(text) if sign.isalnum()), len(text))
