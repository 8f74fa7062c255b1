"""English as written to English as spoken: numbers, abbreviations and signs in words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache

PAUSE = ","
"""The token that stands for punctuation at which a speaker pauses."""

TITLES = {"mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messers", "prof": "professor", "gen": "general",
          "col": "colonel", "capt": "captain", "sgt": "sergeant", "lt": "lieutenant", "maj": "major",
          "rev": "reverend", "hon": "honorable", "gov": "governor", "sen": "senator", "rep": "representative",
          "pres": "president"}  # fmt: skip
OTHERS = {"jr": "junior", "sr": "senior", "ave": "avenue", "blvd": "boulevard", "rd": "road", "vs": "versus",
          "etc": "et cetera", "approx": "approximately", "dept": "department", "inc": "incorporated",
          "ltd": "limited", "co": "company", "corp": "corporation", "mt": "mount", "ft": "fort", "esq": "esquire",
          "vol": "volume", "jan": "january", "feb": "february", "apr": "april", "aug": "august",
          "sept": "september", "oct": "october", "nov": "november", "dec": "december"}  # fmt: skip
UNITS = {"km": "kilometer", "cm": "centimeter", "mm": "millimeter", "m": "meter", "kg": "kilogram", "g": "gram",
         "lb": "pound", "lbs": "pound", "oz": "ounce", "ft": ("foot", "feet"), "mi": "mile", "mph": "mile per hour",
         "hz": "hertz", "khz": "kilohertz", "ms": "millisecond", "ml": "milliliter", "gb": "gigabyte",
         "mb": "megabyte"}  # fmt: skip
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", "")}
SIGNS = {"%": " percent ", "&": " and ", "+": " plus ", "=": " equals ", "@": " at ", "#": " number ",
         "°": " degrees ", "×": " times ", "÷": " divided by "}  # fmt: skip
SCALES = "thousand|million|billion|trillion"
NUMBER = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"


def spoken(text: str) -> list[str]:
    """The tokens of `text` as a speaker says them: lower-case words and `PAUSE`.

    A word has letters a-z and apostrophes only. Text in other scripts is left out.
    """
    text = _plain(text)
    text = _abbreviations(text)
    text = _numbers(text)
    text = re.sub(
        r"\b(?:[A-Z]\.){2,}|\b(?:[A-Z]\. )+(?=[A-Z][a-z])", lambda m: " ".join(re.findall("[A-Z]", m[0])) + " ", text
    )
    text = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)  # camelCase
    for sign, words in SIGNS.items():
        text = text.replace(sign, words)
    text = re.sub(r"(?<=\w)[-/_](?=\w)", " ", text)
    tokens = []
    for match in re.finditer(r"[A-Za-z]+(?:'[A-Za-z]+)*'?|[,.;:!?()\[\]]+|--+|\s-\s", text):
        token = match[0]
        if not token[0].isalpha():
            tokens.append(PAUSE)
        else:
            tokens.append(token.lower() if token.lower().endswith("s'") else token.lower().rstrip("'"))
    return tokens


def _plain(text: str) -> str:
    """Compatibility forms, curly quotes, dashes and accents to plain characters."""
    text = text.translate(
        str.maketrans({"’": "'", "‘": "'", "ʼ": "'", "…": ", ", "½": " 1/2", "¼": " 1/4", "¾": " 3/4"})
    )
    text = re.sub(r"(?<=\d)\s*[–—]\s*(?=\d)", " to ", text)
    text = re.sub(r"[–—]|--+", " , ", text)
    text = unicodedata.normalize("NFKD", text.replace("°", " degrees ").replace("−", "-"))
    for letter, plain in {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"}.items():
        text = text.replace(letter, plain).replace(letter.upper(), plain)
    return "".join(c for c in text if unicodedata.category(c) != "Mn")


def _abbreviations(text: str) -> str:
    text = re.sub(r"\be\.g\.,?", "for example,", text, flags=re.I)
    text = re.sub(r"\bi\.e\.,?", "that is,", text, flags=re.I)
    text = re.sub(r"(?<=\d)\s*([ap])\.?m\b\.?", lambda m: f" {m[1]} m ", text, flags=re.I)
    text = re.sub(r"\bNos?\.\s*(?=\d)", "number ", text)
    text = re.sub(r"\bSt\.?\s+(?=[A-Z])", "saint ", text)
    text = re.sub(r"(?<=[a-z] )St\b\.?", "street", text)
    text = re.sub(r"(?<=[A-Z][a-z] )Dr\.|(?<=[a-z]{2} )Dr\.(?!\s*[A-Z])", "drive", text)
    text = re.sub(r"\bDr\b\.?", "doctor", text)
    text = re.sub(r"\b(" + "|".join(TITLES) + r")\b\.?(?=\s+[A-Z])", lambda m: TITLES[m[1].lower()], text, flags=re.I)
    return re.sub(r"\b(" + "|".join(OTHERS) + r")\.", lambda m: OTHERS[m[1].lower()] + _rest(m), text, flags=re.I)


def _rest(match: re.Match) -> str:
    """A full stop, where the one that the abbreviation ends with also ends the sentence."""
    return "." if re.match(r"\s+[A-Z]|\s*$", match.string[match.end() :]) else ""


def _numbers(text: str) -> str:
    text = re.sub(rf"([$£€¥])\s?({NUMBER})(?:\s?({SCALES})\b)?", _money, text, flags=re.I)
    text = re.sub(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?\b", _time, text)
    text = re.sub(r"'(\d0)s\b", lambda m: _plural(_cardinal(m[1])), text)
    text = re.sub(r"\b(\d{2,4}0)'?s\b", lambda m: _plural(_year(m[1])), text)
    text = re.sub(r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: _ordinal(m[1]), text, flags=re.I)
    text = re.sub(r"\b(?:(\d+) )?(\d{1,2})/(\d{1,2})\b(?!/)", _fraction, text)
    text = re.sub(r"(?<![\w.])-(?=\d)", "minus ", text)
    units = "|".join(sorted(UNITS, key=len, reverse=True))
    text = re.sub(rf"\b({NUMBER})\s?({units})\b(?!')", _unit, text, flags=re.I)
    text = re.sub(r"\b(1\d|20)\d\d\b(?![,.]\d)", lambda m: f" {_year(m[0])} ", text)
    return re.sub(NUMBER, lambda m: f" {_cardinal(m[0])} ", text)


def _money(match: re.Match) -> str:
    major, minor = MONEY[match[1]]
    amount = match[2].replace(",", "")
    if match[3]:
        return f"{_cardinal(amount)} {match[3].lower()} {_many(major, 2)}"
    whole, _, part = amount.partition(".")
    if len(part) != 2 or not minor:
        return f"{_cardinal(amount)} {_many(major, 1 if amount == '1' else 2)}"
    said = [f"{_cardinal(whole)} {_many(major, int(whole))}"] if int(whole) or not int(part) else []
    if int(part):
        said.append(f"{_cardinal(str(int(part)))} {_many(minor, int(part))}")
    return " and ".join(said)


def _time(match: re.Match) -> str:
    hour, minute, second = match[1], match[2], match[3]
    said = [_cardinal(str(int(hour)))]
    if int(minute):
        said.append(("oh " if int(minute) < 10 else "") + _cardinal(str(int(minute))))
    elif not re.match(r"\s*[ap]\b", match.string[match.end() :], flags=re.I):
        said.append("o'clock" if 1 <= int(hour) <= 12 else "hundred")
    if second:
        said.append(f"and {_cardinal(str(int(second)))} seconds")
    return " ".join(said)


def _fraction(match: re.Match) -> str:
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    if not 2 <= bottom <= 20 or not 0 < top < bottom:
        return match[0].replace("/", " ")
    name = {2: "half", 4: "quarter"}.get(bottom) or _ordinal(str(bottom))
    name = name if top == 1 else "halves" if bottom == 2 else name + "s"
    said = f"{_cardinal(str(top))} {name}"
    return f"{_cardinal(whole)} and {said}" if whole else said


def _unit(match: re.Match) -> str:
    name = UNITS[match[2].lower()]
    one, many = name if isinstance(name, tuple) else (name, _units(name))
    return f"{_cardinal(match[1])} {one if match[1] == '1' else many}"


def _units(name: str) -> str:
    first, _, rest = name.partition(" ")
    return name if first.endswith("hertz") else f"{first}s {rest}".strip()


def _many(name: str, count: int) -> str:
    return name if count == 1 or name == "yen" else "pence" if name == "penny" else name + "s"


def _plural(words: str) -> str:
    return f" {words[:-1]}ies " if words.endswith("y") else f" {words}s "


def _year(digits: str) -> str:
    """As years are read: nineteen eighty four, nineteen oh five, two thousand six."""
    if len(digits) != 4 or digits[1:3] == "00" or digits[0] not in "12":
        return _cardinal(digits)
    century, rest = digits[:2], digits[2:]
    if rest == "00":
        return f"{_cardinal(century)} hundred"
    return f"{_cardinal(century)} {'oh ' if rest[0] == '0' else ''}{_cardinal(str(int(rest)))}"


def _cardinal(number: str) -> str:
    whole, _, part = number.replace(",", "").partition(".")
    if len(whole) > 15 or (len(whole) > 1 and whole[0] == "0"):
        said = " ".join(_words(digit) for digit in whole)  # a code or a telephone number
    else:
        said = _words(whole)
    return said + (" point " + " ".join(_words(digit) for digit in part) if part else "")


def _ordinal(number: str) -> str:
    return _clean(_inflect().ordinal(_inflect().number_to_words(number.replace(",", ""), andword="")))


@cache
def _words(number: str) -> str:
    return _clean(_inflect().number_to_words(number, andword=""))


def _clean(words: str) -> str:
    return " ".join(words.replace(",", " ").replace("-", " ").split())


@cache
def _inflect():
    import inflect

    return inflect.engine()
