"""Dates and times of day in English words."""

from __future__ import annotations

import re

from ellav.plugins.text.capitals import SPELLED, spell
from ellav.plugins.text.numbers import cardinal, ordinal, plural, year

MONTHS = ["january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
          "november", "december"]  # fmt: skip
SHORT_MONTHS = {name[:3]: name for name in MONTHS if name != "may"} | {"sept": "september"}
DAYS = {"mon": "monday", "tue": "tuesday", "tues": "tuesday", "wed": "wednesday", "thu": "thursday",
        "thur": "thursday", "thurs": "thursday", "fri": "friday", "sat": "saturday", "sun": "sunday"}  # fmt: skip
OWNERS = "the|his|her|my|your|our|their|mid|early|late|since|from"
"""Words before a decade: `her 40s`. `40s` alone are seconds."""

_MONTH = "|".join(
    [*(month.capitalize() for month in MONTHS), *(month for month in MONTHS if month not in ("march", "may"))]
)
_SHORT = "|".join(sorted((month.capitalize() for month in SHORT_MONTHS), key=len, reverse=True))
_DAY = "|".join(sorted((day.capitalize() for day in DAYS), key=len, reverse=True))
_OF_MONTH = r"(3[01]|[12]\d|0?[1-9])"
WITH_DOTS = rf"(?<![\w.])(?<!ersion )(?<!elease ){_OF_MONTH}\.(1[0-2]|0?[1-9])\.((?:19|20)\d\d)(?!\w|\.\d)"
"""`31.12.2024`, which is written in the order of day, month, year alone."""


def dates(text: str) -> str:
    """`text` with dates, decades and times of day in words."""
    text = _names(text)
    text = re.sub(WITH_DOTS, lambda m: _date(m, m[3], m[2], m[1]), text)
    stamp = r"\b(\d{4}-\d\d-\d\d)T(\d\d:\d\d)(?::00(?![\d.])|(:\d\d))?(?:\.\d+)?"
    text = re.sub(stamp, lambda m: f"{m[1]}, {m[2]}{m[3] or ''} ", text)
    text = re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", lambda m: _date(m, m[1], m[2], m[3]), text)
    text = re.sub(r"\b(\d{1,2})/(\d{1,2})/(\d{4})\b", lambda m: _date(m, m[3], m[1], m[2]), text)
    text = re.sub(rf"\b(on|by|before|until|since|after|dated|due) (\d{{1,2}})/{_OF_MONTH}\b(?!/)", _short_date, text)
    text = re.sub(
        rf"\b({_MONTH}) {_OF_MONTH}(?:st|nd|rd|th)?(?:\s?(?:-|to)\s?{_OF_MONTH}(?:st|nd|rd|th)?)?\b(?![:/%$]|[.,]\d)",
        lambda m: f"{m[1]} {_day(m[2])}" + (f" to {_day(m[3])}" if m[3] else ""),
        text,
    )
    text = re.sub(
        rf"(\b[Tt]he )?(?<![\w.,:$/-]){_OF_MONTH} ({_MONTH})\b(?! {_OF_MONTH}\b)",
        lambda m: f"{m[1] or 'the '}{_day(m[2])} of {m[3]}",
        text,
    )
    text = re.sub(r"\b(1\d\d\d|20\d\d)-(\d\d)\b(?!-)", lambda m: f"{year(m[1])} to {cardinal(m[2])}", text)
    text = re.sub(r"(\b(?:1\d|20)?\d0'?s)\s?-\s?(?='?(?:1\d|20)?\d0'?s\b)", r"\1 to ", text)
    text = re.sub(r"(?<!\w)'(\d0)'?s\b", lambda m: plural(cardinal(m[1])), text)
    text = re.sub(r"\b(1\d\d0|20\d0)'?s\b", lambda m: plural(year(m[1])), text)
    text = re.sub(rf"\b((?:{OWNERS})[- ])([2-9]0)'?s\b", lambda m: m[1] + plural(cardinal(m[2])), text, flags=re.I)
    text = re.sub(r"\b([6-9]0)s\b", lambda m: plural(cardinal(m[1])), text)
    return times(text)


def times(text: str) -> str:
    """`10:30` and `7 a.m.` in words, and `to` between two of them."""
    clock = r"(?:[01]?\d|2[0-4])(?::[0-5]\d)?(?:\s?[ap](?:\.\s?m\.|m\b|" + f"{SPELLED} M{SPELLED}))?"
    text = re.sub(r"\b(noon|midnight)\s?-\s?(?=\d)|(?<=[\dm.])\s?-\s?(?=(?:noon|midnight)\b)",
                  lambda m: f"{m[1] or ''} to ", text, flags=re.I)  # fmt: skip
    both = rf"(?<![\d:.$/-])({clock})\s*-\s*({clock})(?![\d:-])"
    text = re.sub(both, _between_times, text, flags=re.I)
    text = re.sub(
        r"(?<=\d)\s*([ap])(?:m\b|\.\s?m\b\.?)(?P<end>\s+(?=(?-i:[A-Z][a-z])))?",
        # A full stop that also ends the sentence stays.
        lambda m: f" {spell(m[1] + 'm')}" + ("" if m["end"] is None else ". " if "." in m[0] else " "),
        text,
        flags=re.I,
    )
    return re.sub(r"\b([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d))?(?![\d:])", _time, text)


def _names(text: str) -> str:
    """Short names of months and days in full, where what stands beside them says that they are such."""
    month = lambda m: SHORT_MONTHS[m[1].lower()].capitalize()  # noqa: E731
    day = lambda m: DAYS[m[1].lower()].capitalize()  # noqa: E731
    text = re.sub(rf"\b({_SHORT})\b\.?(?=\s?-\s?(?:{_SHORT})\b|,?\s+\d|\s+of\s+\d)", month, text)
    text = re.sub(rf"(?<=-)({_SHORT})\b\.?", month, text)
    text = re.sub(rf"(?<=\d )({_SHORT})\b\.?", month, text)
    text = re.sub(rf"\b({_DAY})\b\.?(?=\s?-\s?(?:{_DAY})\b|\.?,?\s+(?:\d|{_MONTH}))", day, text)
    text = re.sub(rf"(?<=day-)({_DAY})\b\.?", day, text)
    text = re.sub(rf"\b({_DAY})\.(?=,|\s+(?:and|or|at|to|through)\b)", day, text)
    text = re.sub(r"\b(Tues|Thurs?)\.", day, text)
    text = re.sub(
        rf"(day,? (?:and|or|to|through) )({_DAY})\b(?:\.|(?=[,;!?]|\s+\d|\s*$))",
        lambda m: m[1] + DAYS[m[2].lower()],
        text,
    )
    return re.sub(rf"\b((?:{_MONTH})|[A-Z][a-z]+day)-(?={_MONTH}|[A-Z][a-z]+day\b)", r"\1 to ", text)


def _day(number: str) -> str:
    return ordinal(str(int(number)))


def _date(match: re.Match, of_year: str, month: str, day: str) -> str:
    """The American order, month first, unless only the other one is possible."""
    if int(month) > 12 >= int(day):
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return match[0]
    return f"{MONTHS[int(month) - 1]} {_day(day)} {year(of_year)}"


def _short_date(match: re.Match) -> str:
    month, day = int(match[2]), match[3]
    return f"{match[1]} {MONTHS[month - 1]} {_day(day)}" if 1 <= month <= 12 else match[0]


def _between_times(match: re.Match) -> str:
    """`10:00-11:30 AM` says `ten`, with no `o'clock`: both are in the morning."""
    start, end = match[1], match[2]
    if not re.search("[:ap]", match[0], re.I):
        return match[0]
    if re.search("[ap]", end, re.I) and not re.search("[ap]", start, re.I):
        start = start.removesuffix(":00")
    return f"{start} to {end}"


def _time(match: re.Match) -> str:
    hour, minute, second = match[1], match[2], match[3]
    said = [cardinal(str(int(hour)))]
    if int(minute):
        said.append(("oh " if int(minute) < 10 else "") + cardinal(str(int(minute))))
    elif not re.match(rf"\s*[AP]{SPELLED}", match.string[match.end() :]):
        said.append("o'clock" if 1 <= int(hour) <= 12 else "hundred")
    if second:
        said.append(f"and {cardinal(str(int(second)))} seconds")
    return " ".join(said)
