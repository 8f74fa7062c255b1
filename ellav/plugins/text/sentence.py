"""Sentences in any script: cut into words and pauses, and put together as phones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence

from ellav.errors import UserError
from ellav.plugins.text import Phones
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.written import prepare
from ellav.types import SILENCE

APOSTROPHES = "'’"
LONG_DASHES = "–—―"
BETWEEN_DIGITS = ".,:٫٬"
NO_PAUSE = set("\"'#%&*/\\@§¶†‡•·‧′″‴‰※་༌፡・")
"""Punctuation (category Po) at which nobody pauses; it only ends a word."""
SIGNS = set("%‰&@#§¶")
"""Punctuation that is said; so are the symbols of money and mathematics (categories Sc and Sm), and those below."""
SAID_SYMBOLS = set("°№©")
BETWEEN_NUMBERS = set("/*^")
"""Said only between digits, where they make a fraction, a product or a power; `~` only before one."""
UNSAID = set("|~¬")
"""Symbols of mathematics that people type for the eye."""
# fmt: off
BEFORE_NAMES = {"mr", "mrs", "ms", "dr", "prof", "st", "ste", "mt", "ft", "messrs", "gen", "col", "capt", "sgt", "lt",
                "maj", "rev", "hon", "gov", "sen", "rep", "pres", "adm", "cmdr", "cpl", "pvt", "hr", "hrn", "fr", "sra",
                "srta", "mme", "mlle", "dott", "sig"}
BEFORE_NUMBERS = {"no", "nos", "nr", "fig", "figs", "vol", "p", "pp", "ch", "sec", "apt", "tel", "ext", "est", "max",
                  "min", "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "bd"}
INSIDE = {"vs", "e.g", "i.e", "cf", "viz", "approx", "avg", "z.b", "d.h", "u.a", "bzw", "ca"}
# fmt: on
"""Abbreviations in lower case, of several languages, whose full stop ends no sentence: before a name (capitalised
themselves), before a number, and before anything."""
MINUS = "-−"
AFTER_NUMBER = re.compile(
    r"(?<=\d)\s*−\s*(?=\d)"
    r"|(?<![\w.,:-])(?P<first>(?!0\d)\d[\d.,]*)\s+-\s+(?=(?P<second>\d[\d.,]*)(?![\w:]))"
    r"|(?P<below>(?<![\w-])-\d[\d.,]*)-(?=-\d)"
)
"""A minus behind a number: `5 − 3`, `5 - 3` (but not `10:00 - 11:30`), and the second one of `-3--1`. See below."""
IGNORED = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
"""Variation selectors: they choose a glyph and are said by nobody."""


def cut(text: str, casefold: bool = False) -> list[str]:
    """The words of `text` as `prepare` leaves it, in NFC, with `PAUSE` where punctuation stands.

    A word is made of letters, digits and the marks on them (Unicode's categories L, N, Mn and Mc), of
    apostrophes between letters, and of signs inside numbers and initials (`3.14`, `U.S.A`). A sign that is said
    (`%`, `€`, `+`, `&`, `°C`) is a word of its own, and a minus belongs to its number (`-5`; `5 - 3` is `5`, `-3`): see
    `is_sign`. Emoji are left out. A hyphen, a slash or a quotation mark ends a word without a pause. Where a script
    writes no spaces, what stands between two marks of punctuation is one word. casefold: no upper case is left.
    """
    text = IGNORED.sub("", text.replace("\u200b", " "))
    text = prepare("".join(c for c in text if unicodedata.category(c) != "Cf"))
    text = unicodedata.normalize("NFC", text.casefold() if casefold else text)
    text = AFTER_NUMBER.sub(_after_number, text)
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
            if _is_minus(text, place):
                word = "-"
            elif char == "°" and text[place + 1 : place + 2].upper() in ("C", "F"):
                word = char
            elif _is_said(char) or _is_said_among_digits(text, place):
                tokens.append(char)
            elif _pauses(text, place) and tokens and tokens[-1] != PAUSE:
                tokens.append(PAUSE)
    return tokens


def is_sign(token: str) -> bool:
    """Whether a token of `cut` is a sign that is said, or begins with one: `%`, `-5`, `°C`."""
    return token != PAUSE and (_is_said(token[0]) or token[0] in "-/*^~")


def refuse_signs(text: str, tokens: Iterable[str]) -> None:
    """Raises UserError naming the first sign among `tokens`: for front ends that have no reading for any."""
    sign = next((token[0] for token in tokens if is_sign(token)), None)
    if sign is not None:
        name = unicodedata.name(sign, f"U+{ord(sign):04X}")
        raise UserError(f"text {text!r}: {sign!r} ({name}) changes what is said; write it in words or remove it")


def ends_sentence(before: str, behind: str) -> bool:
    """Whether a full stop between `before` (which ends with it) and `behind` ends a sentence.

    It does not before a lower-case letter (where sentences begin with capitals), after an initial (`J. Smith`), a
    title or `e.g.`, nor in `No. 5` and `Sept. 5`. `a.m.` and the like end one where a capital follows.
    """
    behind = behind.lstrip(" \t\"'”’)]»")
    if behind[:1].islower() and before.lstrip()[:1].isupper():  # not where somebody types no capitals at all
        return False
    last = re.search(r"([^\W\d_]+(?:\.[^\W\d_]+)*)\.[\"'”’)\]]*$", before)
    if last is None:
        return True
    word = last[1]
    name = word.lower()
    if name in ("a.m", "p.m"):
        return True
    if (
        name in INSIDE
        or (name in BEFORE_NAMES and word[0].isupper())
        or (name in BEFORE_NUMBERS and behind[:1].isdigit())
    ):
        return False
    return not re.fullmatch(r"[A-Z]|[^\W\d_](?:\.[^\W\d_])+", word)


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


def _after_number(match: re.Match) -> str:
    """What stands there with its minus; `10 - 12 Uhr`, which rises, is a range rather than a difference, and stays."""
    if match["below"]:
        return f"{match['below']} "
    if match["first"] and _value(match["first"]) < _value(match["second"]) and "=" not in match.string:
        return match[0]
    return f"{match['first'] or ''} -"


def _value(number: str) -> float:
    whole, part = re.fullmatch(r"(.*?)(?:[.,](\d{1,2}))?[.,]*", number).groups()
    return float(f"0{re.sub('[.,]', '', whole)}.{part or 0}")


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


def _is_said(char: str) -> bool:
    return (unicodedata.category(char) in ("Sc", "Sm") or char in SIGNS or char in SAID_SYMBOLS) and char not in UNSAID


def _is_minus(text: str, place: int) -> bool:
    """Whether a minus stands there before its number, and no hyphen: `-5`, but not `10-5` or `F-16`."""
    if text[place : place + 1] not in tuple(MINUS) or not _is(text[place + 1 : place + 2] or " ", "N"):
        return False
    return place == 0 or not (_is(text[place - 1], "LMN") or text[place - 1] in ".,:-")


def _is_said_among_digits(text: str, place: int) -> bool:
    char, around = text[place : place + 1], text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    if char == "~":
        return _is(text[place + 1 : place + 2] or " ", "N")
    if char not in BETWEEN_NUMBERS or len(around) < 2 or not all(_is(c, "N") for c in around):
        return False
    return not re.search(r"/\d+$", text[:place]) and not re.match(r"\d+/", text[place + 1 :])  # 12/05/2020


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
