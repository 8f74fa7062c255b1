"""English as written to English as spoken: numbers, abbreviations and signs in words."""

from __future__ import annotations

import re
from functools import cache

from ellav.plugins.text.symbols import PAUSES, addresses, plain, refuse, signs

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
         "hz": "hertz", "khz": "kilohertz", "km/h": "kilometer per hour", "m/s": "meter per second",
         "ms": "millisecond", "ml": "milliliter", "gb": "gigabyte", "mb": "megabyte", "μm": "micrometer",
         "μg": "microgram", "μs": "microsecond"}  # fmt: skip
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", ""),
         "₹": ("rupee", "")}  # fmt: skip
LETTERS = {"US", "UK", "EU", "UN", "AI", "ID", "IP", "IQ", "OS", "TV", "UI", "USA", "UAE", "UFO", "CEO", "CFO", "CIO",
           "API", "IEEE", "URL", "EOP"}  # fmt: skip
"""Capitals that are spelled although they could be read as a word."""
MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december"]  # fmt: skip
SCALES = {"thousand": "thousand", "million": "million", "billion": "billion", "trillion": "trillion",
          "k": "thousand", "m": "million", "mn": "million", "bn": "billion", "b": "billion",
          "tn": "trillion"}  # fmt: skip
TELEPHONE = (
    r"(?<![\w.-])(?:(?:\+?\d{1,2}[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}|\d{3}-(?!\d\d00)\d{4})(?![\w-])"
)
NUMBER = r"\d+(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"


def spoken(text: str) -> list[str]:
    """The tokens of `text` as a speaker says them: lower-case words and `PAUSE`.

    A word has letters a-z and apostrophes only. Nothing that would be said is left out:
    raises UserError naming the first character that has no reading (other scripts, emoji
    amid a sentence, unknown signs). `symbols.UNSPOKEN` lists what is not said.
    """
    written = text
    text = plain(text)
    text = addresses(text)
    text = _abbreviations(text)
    text = _numbers(text)
    text = re.sub(
        r"\b(?:[A-Za-z]\.){2,}|\b(?:[A-Z]\. )+(?=[A-Z][a-z])",
        lambda m: " ".join(re.findall("[A-Za-z]", m[0])) + " ",
        text,
    )
    if re.search("[a-z]", text):
        text = re.sub(r"\b([A-Z]{2,4})(s?)\b", _letters, text)
    text = re.sub(r"(?<=[a-z])(?<!\bMc)(?<!\bMac)(?=[A-Z])", " ", text)  # camelCase
    text = signs(text)
    tokens, rest, end = [], [], 0
    for match in re.finditer(rf"[A-Za-z]+(?:'[A-Za-z]+)*'?|[{re.escape(PAUSES)}]+|--+|\s-\s", text):
        rest.append(text[end : match.start()])
        end = match.end()
        token = match[0]
        if not token[0].isalpha():
            tokens.append(PAUSE)
        else:
            tokens.append(token.lower() if token.lower().endswith("s'") else token.lower().rstrip("'"))
    refuse("".join([*rest, text[end:]]), written)
    return tokens


def _letters(match: re.Match) -> str:
    return " ".join(match[1]) + ("'s" if match[2] else "") if match[1] in LETTERS else match[0]


def _abbreviations(text: str) -> str:
    text = re.sub(r"\bPh\.?D\b\.?", "P H D", text)
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
    text = re.sub(r"#(?=\s?\d)", " number ", text)
    money = "".join(MONEY)
    text = re.sub(rf"\b({NUMBER})\s?([{money}])(?![\d{money}])", r"\2\1", text)
    text = re.sub(rf"([{money}])\s?({NUMBER})(?:\s?({'|'.join(SCALES)})\b)?", _money, text, flags=re.I)
    text = re.sub(r"\b(\d+)\s?¢", lambda m: f"{_cardinal(m[1])} {_many('cent', int(m[1]))}", text)
    text = re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", lambda m: _date(m, m[1], m[2], m[3]), text)
    text = re.sub(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", lambda m: _date(m, m[3], m[1], m[2]), text)
    text = re.sub(TELEPHONE, lambda m: " , ".join(" ".join(map(_words, g)) for g in re.findall(r"\d+", m[0])), text)
    text = re.sub(r"(?<![\d.])\d+(?:\.\d+){2,}(?!\w)", _dotted, text)
    text = re.sub(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?\b", _time, text)
    text = re.sub(r"\b(\d{1,2})'\s?(\d{1,2})(?:\"|\b)", lambda m: f"{_cardinal(m[1])} foot {_cardinal(m[2])} ", text)
    text = re.sub(r"(?<=\d):(?=\d)", " to ", text)  # a ratio
    text = re.sub(r"'(\d0)s\b", lambda m: _plural(_cardinal(m[1])), text)
    text = re.sub(r"\b(\d{2,4}0)'?s\b", lambda m: _plural(_year(m[1])), text)
    text = re.sub(r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: _ordinal(m[1]), text, flags=re.I)
    text = re.sub(r"\b(?:(\d+) )?(\d{1,2})/(\d{1,2})\b(?!/)", _fraction, text)
    text = re.sub(r"(?<=\d)-(?=\d)", " to ", text)
    text = re.sub(r"(?<![\w.])-(?=\d)", "minus ", text)
    units = "|".join(sorted(UNITS, key=len, reverse=True))
    text = re.sub(rf"\b({NUMBER})\s?({units})\b(?!')", _unit, text, flags=re.I)
    text = re.sub(r"\b(1\d|20)\d\d\b(?![,.]\d)", lambda m: f" {_year(m[0])} ", text)
    return re.sub(NUMBER, lambda m: f" {_cardinal(m[0])} ", text)


def _money(match: re.Match) -> str:
    major, minor = MONEY[match[1]]
    amount = match[2].replace(",", "")
    if match[3]:
        return f"{_cardinal(amount)} {SCALES[match[3].lower()]} {_many(major, 2)}"
    whole, _, part = amount.partition(".")
    if len(part) != 2 or not minor:
        return f"{_cardinal(amount)} {_many(major, 1 if amount == '1' else 2)}"
    said = [f"{_cardinal(whole)} {_many(major, int(whole))}"] if int(whole) or not int(part) else []
    if int(part):
        said.append(f"{_cardinal(str(int(part)))} {_many(minor, int(part))}")
    return " and ".join(said)


def _date(match: re.Match, year: str, month: str, day: str) -> str:
    """The American order, month first, unless only the other one is possible."""
    if int(month) > 12 >= int(day):
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{MONTHS[int(month) - 1]} {_ordinal(str(int(day)))} {_year(year)}"


def _dotted(match: re.Match) -> str:
    """A version (`3.5.2`, point) or the address of a machine (four parts, digit by digit, dot)."""
    parts = match[0].split(".")
    if len(parts) == 4:
        return f" {' dot '.join(' '.join(map(_words, part)) for part in parts)} "
    return f" {' point '.join(map(_cardinal, parts))} "


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
