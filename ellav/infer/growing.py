"""Text that is still being written: which of its words are certain, and the parts in which they are spoken.

A written word is complete when a blank stands behind it, a sentence when the next one has begun (`chunks`). A word is
certain when so many complete words behind it (`ahead`) have not changed how it is read, nor anything before it. What
comes out depends on the text alone, not on the pieces in which it came or on how fast they did.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import NamedTuple

from ellav.errors import UserError
from ellav.infer.chunks import LEVELS, first_end, strings
from ellav.plugins.text import Phones
from ellav.types import SILENCE

WRITTEN = re.compile(r"\S+(?=\s)")


class Word(NamedTuple):
    """A word as it is said. pause: whether silence stands before it, but for that at the beginning."""

    word: str
    phones: tuple[str, ...]
    pause: bool


class Grown(NamedTuple):
    """What is known of a part of the text. number: of the part, from 0 on. more: whether it goes on, with what follows
    it here. pause: seconds of silence due after it, where it does not."""

    number: int
    said: Phones
    more: bool
    pause: float


def growing_parts(pieces: Iterable[str], read: Callable[[str], Phones], ahead: int, most: int) -> Iterator[Grown]:
    """The parts of a text that comes in pieces: each again and again as it grows, the last time without `more`.

    A part is a sentence. A longer one than `most` phones is cut before the word that no longer fits, or at the first
    pause behind three quarters of them. read: the phones of a beginning of the text; raises UserError, which is told
    when the sentence has ended. Raises it too for pieces that are no strings.
    """
    number, words = 0, []
    for told, ended in _certain(pieces, read, ahead):
        for word in told:
            size = 1 + sum(len(one.phones) + one.pause for one in words)
            if words and (size + word.pause + len(word.phones) >= most or (word.pause and 4 * size > 3 * most)):
                yield Grown(number, phones_of(words, SILENCE), False, LEVELS[1][1] if word.pause else LEVELS[2][1])
                number, words, word = number + 1, [], word._replace(pause=False)
            words.append(word)
        if words and (told or ended):
            yield Grown(number, phones_of(words, *[SILENCE] * ended), not ended, LEVELS[0][1])
        if words and ended:
            number, words = number + 1, []


class Sentence:
    """The words of a sentence that grows. A word is given out once."""

    def __init__(self, read: Callable[[str], Phones], ahead: int):
        self.read = read
        self._begin = self._seen = 0  # places in the text: where reading begins, and up to where words were looked at
        self._given: list[Word] = []  # since `_begin`
        self._ends: list[tuple[int, int]] = []  # of written words: where each ends, and how many are read up to there
        self._readings: deque[list[Word]] = deque(maxlen=ahead + 1)

    def grow(self, text: str) -> list[Word]:
        """What has become certain. text: the sentence so far, longer than it was."""
        certain = []
        for written in WRITTEN.finditer(text, self._seen):
            self._seen = written.end()
            certain += self._look(text[: self._seen])
        return certain

    def end(self, text: str) -> list[Word]:
        """All that is left of the whole sentence; raises UserError where it cannot be read."""
        rest = text[self._begin :]
        try:
            reading = words_of(self.read(rest))
        except UserError:
            if any(map(str.isalnum, rest)):
                raise
            return []  # marks alone, as in `...`
        new = self._give(reading)
        return self.end(text) if new is None else new

    def _look(self, text: str) -> list[Word]:
        try:
            reading = words_of(self.read(text[self._begin :]))
        except UserError:  # what cannot be read by itself may be a beginning of what can
            return []
        self._readings.append(reading)
        alike = takewhile(lambda pair: pair[0] == pair[1], zip(self._readings[0], reading, strict=False))
        certain = [word for word, _ in alike] if len(self._readings) == self._readings.maxlen else []
        new = self._give(certain)
        if new is not None:
            self._ends.append((len(text), len(reading)))
        return new or []

    def _give(self, words: list[Word]) -> list[Word] | None:
        """What of `words` was not given out yet, or None where they are others than those that were: these stay as they
        were said, and what was written after them is read by itself from now on."""
        if all(one.word == other.word for one, other in zip(words, self._given, strict=False)):
            new = words[len(self._given) :]
            self._given += new
            return new
        self._begin = max((end for end, count in self._ends if count <= len(self._given)), default=self._begin)
        self._given, self._ends = [], []
        self._readings.clear()
        return None


def _certain(pieces: Iterable[str], read: Callable[[str], Phones], ahead: int) -> Iterator[tuple[list[Word], bool]]:
    """What has become certain, and whether a sentence has ended with it."""
    text, sentence = "", Sentence(read, ahead)
    for piece in strings(pieces):
        text += piece
        while end := first_end(text):
            yield [*sentence.grow(text[:end]), *sentence.end(text[:end])], True
            text, sentence = text[end:], Sentence(read, ahead)
        yield sentence.grow(text), False
    yield [*sentence.grow(text), *sentence.end(text)], True


def words_of(said: Phones) -> list[Word]:
    """The words of what is said, each with its phones."""
    words: list[Word] = []
    pause = False
    for phone, owner in zip(said.phones, said.word_of_phone, strict=True):
        if owner < 0:
            pause = bool(words)
        elif owner < len(words):
            words[-1] = words[-1]._replace(phones=(*words[-1].phones, phone))
        else:
            words.append(Word(said.words[owner], (phone,), pause))
            pause = False
    return words


def phones_of(words: Iterable[Word], *closing: str) -> Phones:
    """The phones of words, silence before them and at pauses, and what closes them."""
    said = Phones([SILENCE], [-1], [])
    for word in words:
        silence = [SILENCE] * word.pause
        said.phones.extend((*silence, *word.phones))
        said.word_of_phone.extend((*(-1 for _ in silence), *(len(said.words) for _ in word.phones)))
        said.words.append(word.word)
    said.phones.extend(closing)
    said.word_of_phone.extend(-1 for _ in closing)
    return said
