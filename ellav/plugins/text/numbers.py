"""Numbers in English words: cardinals, ordinals, years, digits one by one."""

from __future__ import annotations

from functools import cache

SCALES = {"thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion",
          "k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion",
          "tn": "trillion"}  # fmt: skip
NUMBER = r"(?:\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?)"
"""A number as it is written, with commas between thousands."""


def cardinal(number: str) -> str:
    """`1,234.5` -> one thousand two hundred thirty four point five; `007` digit by digit; `.5` point five."""
    whole, _, part = number.replace(",", "").partition(".")
    is_code = len(whole) > 15 or (len(whole) > 1 and whole[0] == "0")
    said = digits(whole) if is_code or not whole else _words(whole)
    return f"{said} point {digits(part)}".strip() if part else said


def ordinal(number: str) -> str:
    """`21` -> twenty first."""
    return _clean(_inflect().ordinal(_inflect().number_to_words(number.replace(",", ""), andword="")))


def year(number: str) -> str:
    """As years are read: nineteen eighty four, nineteen oh five, two thousand six."""
    if len(number) != 4 or number[1:3] == "00" or number[0] not in "12":
        return cardinal(number)
    century, rest = number[:2], number[2:]
    if rest == "00":
        return f"{cardinal(century)} hundred"
    return f"{cardinal(century)} {'oh ' if rest[0] == '0' else ''}{cardinal(str(int(rest)))}"


def in_pairs(number: str) -> str:
    """A number of a house: one twenty three, one oh five, ten eighty."""
    if len(number) == 3 and number[1:] != "00":
        return f"{cardinal(number[0])} {'oh ' if number[1] == '0' else ''}{cardinal(str(int(number[1:])))}"
    return year(number)


def digits(number: str) -> str:
    """`20` -> two zero."""
    return " ".join(map(_words, number))


def plural(words: str) -> str:
    """`twenty` -> twenties, `six` -> sixes."""
    return f"{words[:-1]}ies" if words.endswith("y") else f"{words}{'es' if words.endswith('x') else 's'}"


@cache
def _words(number: str) -> str:
    return _clean(_inflect().number_to_words(number, andword=""))


def _clean(words: str) -> str:
    return " ".join(words.replace(",", " ").replace("-", " ").split())


@cache
def _inflect():
    import inflect

    return inflect.engine()
