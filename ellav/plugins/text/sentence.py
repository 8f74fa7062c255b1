"""Sentences in any script: cut into words and pauses, and put together as phones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from ellav.errors import UserError
from ellav.plugins.text import Phones
from ellav.plugins.text.english import PAUSE
from ellav.types import SILENCE

APOSTROPHES = "'’"
LONG_DASHES = "–—―"
BETWEEN_DIGITS = ".,:٫٬"
NO_PAUSE = set("\"'#%&*/\\@§¶†‡•·‧′″‴‰※་༌፡・＂＇＃％＆＊／＼＠")
"""Punctuation (category Po) at which nobody pauses; it only ends a word."""
IGNORED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors: they choose a glyph and are said by nobody."""


def cut(text: str) -> list[str]:
    """The words of `text` in NFC, with `PAUSE` where punctuation stands.

    A word is made of letters, digits and the marks on them (Unicode's categories L, N, Mn and Mc), of
    apostrophes between letters, and of signs inside numbers and initials (`3.14`, `U.S.A`). Symbols
    and emoji are left out. A hyphen, a slash or a quotation mark ends a word without a pause. Where a script
    writes no spaces, what stands between two marks of punctuation is one word.
    """
    text = IGNORED.sub("", text.replace("\u200b", " "))
    text = unicodedata.normalize("NFC", "".join(c for c in text if unicodedata.category(c) != "Cf"))
    tokens, word = [], ""
    for place, char in enumerate([*text, " "]):
        category = unicodedata.category(char)
        if category[0] in "LN" or (word and category in ("Mn", "Mc")):
            word += char
        elif word and category == "Me":
            continue
        elif word and _joins(text, place):
            word += "'" if char in APOSTROPHES else char
        else:
            if word:
                tokens.append(word)
                word = ""
            if _pauses(text, place) and tokens and tokens[-1] != PAUSE:
                tokens.append(PAUSE)
    return tokens


def assemble(text: str, pronounced: Iterable[tuple[str, Sequence[str]]]) -> Phones:
    """Phones with `sp` at both ends and at pauses, from pairs of a word and its phones.

    A pair of `PAUSE` has no phones; words without phones are left out. Raises UserError
    naming `text` where nothing is left to speak.
    """
    phones, word_of_phone, words = [SILENCE], [-1], []
    for word, found in [*pronounced, (PAUSE, ())]:
        if word == PAUSE:
            if phones[-1] != SILENCE:
                phones.append(SILENCE)
                word_of_phone.append(-1)
        elif found:
            phones += found
            word_of_phone += [len(words)] * len(found)
            words.append(word)
    if not words:
        raise UserError(f"text {text!r} has no word in it that can be spoken")
    return Phones(phones, word_of_phone, words)


def _joins(text: str, place: int) -> bool:
    """Whether the sign at `place` belongs to the word around it."""
    if place + 1 >= len(text):
        return False
    char, before, after = text[place], text[place - 1], text[place + 1]
    if char in APOSTROPHES or char == "·":
        return _is(before, "LM") and _is(after, "L")
    if char in BETWEEN_DIGITS and _is(before, "N") and _is(after, "N"):
        return True
    return char == "." and _single(text, place - 1) and _single(text, place + 1)


def _single(text: str, place: int) -> bool:
    """Whether one letter stands there alone, as initials do."""
    around = text[place - 1 : place] + text[place + 1 : place + 2]
    return _is(text[place], "L") and not any(_is(char, "LMN") for char in around)


def _pauses(text: str, place: int) -> bool:
    char = text[place : place + 1]
    category = unicodedata.category(char) if char else ""
    if category == "Pd" and char not in LONG_DASHES:
        around = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
        return not any(_is(c, "LMN") for c in around)
    return category in ("Po", "Pd", "Ps", "Pe") and char not in NO_PAUSE


def _is(char: str, kinds: str) -> bool:
    return unicodedata.category(char)[0] in kinds
