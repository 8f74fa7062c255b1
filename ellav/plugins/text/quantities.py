"""What is written with digits, in English words: money, units, ranges, fractions, telephone numbers."""

from __future__ import annotations

import re

from ellav.plugins.text.capitals import SPELLED, spell, spell_unless_word
from ellav.plugins.text.dates import WITH_DOTS
from ellav.plugins.text.numbers import NUMBER, SCALES, cardinal, digits, in_pairs, ordinal, plural, year

# fmt: off
ANY_CASE = {"km": "kilometer", "cm": "centimeter", "mm": "millimeter", "kg": "kilogram", "mg": "milligram",
            "lb": "pound", "lbs": "pound", "oz": "ounce", "ft": ("foot", "feet"), "mi": "mile", "yd": "yard",
            "yds": "yard", "mph": "mile per hour", "kph": "kilometer per hour", "kmh": "kilometer per hour",
            "hz": "hertz", "khz": "kilohertz", "mhz": "megahertz", "ghz": "gigahertz", "ms": "millisecond",
            "ml": "milliliter", "cl": "centiliter", "dl": "deciliter", "mmol": "millimole",
            "kb": "kilobyte", "gb": "gigabyte", "mb": "megabyte",
            "tb": "terabyte", "kbps": "kilobit per second", "mbps": "megabit per second", "gbps": "gigabit per second",
            "db": "decibel", "kwh": "kilowatt hour", "kw": "kilowatt", "mw": "megawatt", "kcal": "kilocalorie",
            "cal": "calorie", "mah": "milliampere hour", "psi": "pound per square inch",
            "rpm": "revolution per minute", "bpm": "beat per minute", "fps": "frame per second", "dpi": "dot per inch",
            "tbsp": "tablespoon", "tsp": "teaspoon", "hr": "hour", "hrs": "hour", "min": "minute", "mins": "minute",
            "sec": "second", "secs": "second", "yr": "year", "yrs": "year", "wk": "week", "wks": "week", "mo": "month",
            "mos": "month", "gal": "gallon", "qt": "quart", "pt": "pint", "ha": "hectare", "px": "pixel",
            "pts": "point"}
"""Unit -> its name, or its singular and plural. Upper and lower case alike."""
LOWER = {"m": "meter", "g": "gram", "s": "second", "h": "hour", "l": "liter", "t": "ton", "nm": "nanometer",
         "μm": "micrometer", "μg": "microgram", "μs": "microsecond", "ns": "nanosecond"}
UPPER = {"V": "volt", "W": "watt", "L": "liter", "Hz": "hertz", "J": "joule", "N": "newton", "Pa": "pascal", "Ω": "ohm"}
"""Units that another letter's case would make something else: 5 g and 5G, 100 m and 100M."""
WITH_STOP = {"in": ("inch", "inches"), "ins": ("inch", "inches")}
"""Units that are words unless a full stop or another unit stands beside them."""
MONEY = {"$": ("dollar", "cent"), "£": ("pound", "penny"), "€": ("euro", "cent"), "¥": ("yen", ""),
         "₹": ("rupee", "")}
COUNTRIES = ("US", "AU", "CA", "NZ", "HK", "A", "C")
PER = {"h": "hour", "hr": "hour", "hour": "hour", "d": "day", "day": "day", "wk": "week", "week": "week",
       "mo": "month", "month": "month", "yr": "year", "year": "year", "min": "minute", "minute": "minute",
       "s": "second", "sec": "second", "second": "second", "person": "person", "night": "night", "kg": "kilogram",
       "lb": "pound", "oz": "ounce", "mile": "mile", "gallon": "gallon", "gal": "gallon", "km": "kilometer",
       "mi": "mile", "l": "liter", "ml": "milliliter", "dl": "deciliter",
       "piece": "piece", "ea": "each", "page": "page", "user": "user",
       "child": "child", "unit": "unit", "ft": "foot"}
PLACES_WITH_LETTERS = {"room", "apartment", "gate", "suite", "unit", "seat", "row", "section", "platform", "grade"}
"""Words after which `4B` is no number of billions."""
RANGED = {"page", "pages", "pp", "chapter", "chapters", "ages", "aged", "years", "verses", "lines", "open", "from",
          "won", "win", "lost", "lose", "beat", "lead", "leads", "led", "tied", "score", "final", "them", "us"}
"""Words after which `9 - 5` is a range or a score."""
ASKED = {"is", "compute", "calculate", "evaluate", "subtract"}
"""Words after which `3 - 5` is a difference too."""
STREETS = r"(?:Street|St|Avenue|Ave|Road|Rd|Boulevard|Blvd|Drive|Dr|Lane|Ln|Court|Place|Way|Square)"
# fmt: on
TELEPHONE = (
    r"(?<![\w.+-])(?:(?:\+?\d{1,2}[-. ])?(?:\(\d{3}\) ?|\d{3}[-. ])\d{3}[-. ]\d{4}|\d{3}-(?!\d\d00)\d{4}"
    r"|\+\d{1,3}(?:[-. ]\d{2,4}){2,5})(?![\w-])|(?<![\w.-])\+\d{1,2}[-. ]\(?\d{3}\)?[-. ]\d{3}[-. ]\d{4}(?![\w-])"
)
MEASURE = rf"(?:(?<![\w.])\.\d+|\b{NUMBER})"
"""A number before a unit, which may begin with its point."""
_MONEY = "".join(MONEY)
_UNITS = "|".join(sorted(map(re.escape, ANY_CASE), key=len, reverse=True))
_CASED = "|".join(map(re.escape, sorted({**LOWER, **UPPER}, key=len, reverse=True)))
_UNIT = rf"(?:(?:sq|cu)\.?\s?)?(?:(?i:{_UNITS})|{_CASED})"


def telephones(text: str) -> str:
    """`text` with telephone numbers and codes digit by digit. Before dates and ranges."""
    if not re.search(r"\d", text):
        return text
    text = re.sub(TELEPHONE, _telephone, text)
    text = re.sub(r"\b(ISBN(?:-1[03])?:?\s*)(\d[\d -]{8,15}[\dX])\b", lambda m: m[1] + _groups(m[2]), text)
    text = re.sub(r"\b(1)-([89]\d\d)-(?=[A-Z]{2})", lambda m: f"{_telephone(m)} , ", text)  # 1-800-FLOWERS
    called = r"\b((?:call|dial|text|phone|ring)(?:ed|l?ed|l?ing)?\s+)(\d{3,4})\b(?![:.,]?\d|\s+[a-z])"
    text = re.sub(called, lambda m: m[1] + digits(m[2]), text, flags=re.I)
    text = re.sub(r"(?<=Porsche )911\b", "nine eleven", text)
    text = re.sub(rf"(?<![\w{_MONEY}.,:/-])911(?![\w%]|[.,:/-]\d)", digits("911"), text)
    text = re.sub(r"\b([A-Z]{2}) (\d{5})(?:-(\d{4}))?\b(?![,.]?\d)", lambda m: f"{spell(m[1])} "
                  + " , ".join(digits(g) for g in (m[2], m[3]) if g), text)  # fmt: skip
    return re.sub(rf"(?<![\d.])(?!{WITH_DOTS})\d+(?:\.\d+){{2,}}(?!\w)", _dotted, text)


def quantities(text: str) -> str:
    """`text` with what else is written in digits in words, once dates and times are."""
    text = re.sub(
        r"(?<![\d.,] )(?<![\w.,])[1-9]\d{0,2}(?: \d{3})+(?![\w,]|[.:/-]\d| \d)", lambda m: m[0].replace(" ", ""), text
    )
    text = re.sub(
        r"(?<![\w.,:$-])\d{2,}(?:-\d{2,}){2,}(?![\w-])", lambda m: " , ".join(map(digits, m[0].split("-"))), text
    )
    text = re.sub(r"#(?=\s?\d)", " number ", text)
    text = _operations(text)
    text = _money(text)
    text = _rates(text)
    same = rf"(?<![\w.,])({NUMBER})\s?(%|°[CF]?|{_UNIT}\.?)\s?-\s?(?={NUMBER}\s?\2(?!\w))"
    text = re.sub(same, r"\1 to ", text)  # 90% - 95%
    text = re.sub(r"\b(\d{1,2})'\s?(\d{1,2})(?:\"|\b)", lambda m: f"{cardinal(m[1])} foot {cardinal(m[2])} ", text)
    text = re.sub(r"\b(\d{1,2})'(?=-\d|\s(?:tall|long|wide|high|deep|by|x)\b)", r"\1 ft", text)
    text = re.sub(r"(?<=\d ft)-(?=\d)", " to ", text)
    text = re.sub(r"(?<=\d):(?=\d)", " to ", text)  # a ratio
    text = re.sub(r"(?<![\w*])\*(\d+)\b(?!\*)", lambda m: f"star {digits(m[1])}", text)
    text = re.sub(r"\b(\d+(?:,\d{3})*)(?:st|nd|rd|th)\b", lambda m: ordinal(m[1]), text, flags=re.I)
    text = _fractions(text)
    text = re.sub(r"\b(\d{2,4})\s?x\s?(\d{2,4})\b", lambda m: f" {in_pairs(m[1])} by {in_pairs(m[2])} ", text)
    text = re.sub(r"(?<=\d)\s?x\s?(?=\d)", " by ", text)
    text = re.sub(r"(?<=\d)x\b", " times", text)
    text = re.sub(r"(?<=\d)\s-\s(?=[\d(])", " to ", text)
    text = re.sub(r"(?<=\d)([kKM%°]|°[CF])?-(?=\d)", r"\1 to ", text)
    text = re.sub(r"(?<![\w.)])-\s?(?=\.?\d)", "minus ", text) if "=" in text else text
    text = re.sub(r"(?<![\w.)])-(?=\.?\d)", "minus ", text)
    text = re.sub(r"\b(7\d7)s\b", lambda m: plural(in_pairs(m[1])), text)  # aircraft
    named = r"\b([A-Z]{1,2})-?(\d{1,3})s\b"  # F-16s, MP3s
    text = re.sub(named, lambda m: f"{spell(m[1])} {plural(in_pairs(m[2]))}", text)
    text = _units(text)
    text = re.sub(r"(?<![\w.])\.(\d+)(?!\.?\d)", lambda m: f"point {digits(m[1])}", text)
    text = _glued(text)
    text = re.sub(rf"\b(\d{{3}})(?= (?:[NSEW]\.? )?(?:[A-Z][a-z]+ )+{STREETS}\b)", lambda m: in_pairs(m[1]), text)
    named = r"(?<=\b(?:Flight|Boeing) )|(?<=\bRoom )|(?<=\bRoute )|(?<=\bHighway )"
    text = re.sub(rf"(?:{named})\d{{3}}\b", lambda m: in_pairs(m[0]), text)
    text = re.sub(r"\b((?:1\d|20)\d\d)\b(?![,.]\d)('s\b)?", lambda m: f" {year(m[1])}{m[2] or ''} ", text)
    return re.sub(rf"({NUMBER})('s\b)?", lambda m: f" {cardinal(m[1])}{m[2] or ''} ", text)


def _operations(text: str) -> str:
    """`10 / 2 = 5`, `3 x 4 = 12`, `5 - 3`; `1 / 2 cup` is a fraction, and `5 - 10 minutes` a range."""
    if "=" in text:
        text = re.sub(r"(?<=\d)\s/\s(?=\d)", " divided by ", text)
        text = re.sub(r"(?<=\d)\s?x\s?(?=\d[^=A-Za-z]*=)", " times ", text)
        text = re.sub(r"(?<=\d)\s-\s(?=[\d(])", " minus ", text)
    text = re.sub(r"(?<![\d/] )\b(\d{1,3}) / (\d{1,4})\b(?! ?/)", r"\1/\2", text)
    alone = r"(?![\w:/%°]|\s?[\w%°(]|[.,:]\d)"
    difference = rf"(?P<word>[A-Za-z]+\s+)?(?<![\w.,:/{_MONEY}-])(?P<one>\d[\d.]*) - (?=(?P<two>\d[\d.]*){alone})"
    return re.sub(difference, _difference, text)


def _difference(match: re.Match) -> str:
    """`5 - 3` is a difference, `pages 5 - 7` and `3 - 5` are ranges, and what is won is a score."""
    one, two = (number.rstrip(".") for number in match.group("one", "two"))
    are_years = all(re.fullmatch(r"(1\d|20)\d\d", number) for number in (one, two))
    word = (match["word"] or "").strip().lower()
    try:
        falls = float(one) > float(two)
    except ValueError:
        return match[0]
    if word in RANGED or are_years or not (falls or word in ASKED):
        return match[0]
    return match[0].replace(" - ", " minus ")


def _groups(number: str) -> str:
    """`978-3` digit by digit, with a pause between groups; X, which ends some numbers of books, by its name."""
    groups = re.findall(r"\d+|X", number)
    return " , ".join(spell(group) if group == "X" else digits(group) for group in groups)


def _telephone(match: re.Match) -> str:
    groups = re.findall(r"\d+", match[0])
    said = ["eight hundred" if place and group == "800" and groups[0] == "1" else digits(group)
            for place, group in enumerate(groups)]  # fmt: skip
    return ("plus " if match[0].startswith("+") else "") + " , ".join(said)


def _dotted(match: re.Match) -> str:
    """A version (`3.5.2`, point) or the address of a machine (four parts, digit by digit, dot)."""
    parts = match[0].split(".")
    if len(parts) == 4:
        return f" {' dot '.join(map(digits, parts))} "
    return f" {' point '.join(map(cardinal, parts))} "


def _money(text: str) -> str:
    text = re.sub(rf"(?<![\d,.])(\d+),(\d\d)(?=\s?[{_MONEY}])|(?<=[€£])(\s?\d+),(\d\d)(?![,\d])",
                  lambda m: f"{m[1] or m[3]}.{m[2] or m[4]}", text)  # fmt: skip
    text = re.sub(r"\bRs\.?\s?(?=\d)", "₹", text)
    text = re.sub(rf"\b({NUMBER})\s?([{_MONEY}])(?![\d{_MONEY}])", r"\2\1", text)
    text = re.sub(rf"([{_MONEY}])\.(?=\d\d\b)", r"\g<1>0.", text)
    scale = rf"(?:\s?({'|'.join(SCALES)})\b)?"
    text = re.sub(
        rf"([{_MONEY}])\s?({NUMBER}){scale}\s?-\s?\1?({NUMBER}){scale}",
        _between_sums,
        text,
        flags=re.I,
    )
    text = re.sub(
        rf"((?<!\w)-)(?=[{_MONEY}]\s?\d)|(?<=[a-z])-(?=[{_MONEY}]\s?\d)", lambda m: " minus " if m[1] else " to ", text
    )
    text = re.sub(
        rf"(?P<one>\ban? )?(?P<land>\b(?:{'|'.join(COUNTRIES)}))?(?P<sign>[{_MONEY}])\s?(?P<sum>{NUMBER})"
        rf"(?:[\s-]?(?P<scale>{'|'.join(SCALES)})\b)?(?P<behind>\s+[a-z]+)?",
        _sum,
        text,
        flags=re.I,
    )
    return re.sub(r"\b(\d+)\s?¢", lambda m: f"{cardinal(m[1])} {_many('cent', int(m[1]))}", text)


def _between_sums(match: re.Match) -> str:
    """`$5M-$10M` is five to ten million dollars, `$500K-$1M` five hundred thousand to one million dollars."""
    sign, least, its_scale, most, scale = match.groups()
    is_said = its_scale and (len(its_scale) > 2 or its_scale.lower() != (scale or "").lower())
    return f"{cardinal(least)} {SCALES[its_scale.lower()] if is_said else ''} to {sign}{most} {scale or ''}"


def _sum(match: re.Match) -> str:
    major, minor = MONEY[match["sign"]]
    before, behind = match["one"] or "", match["behind"] or ""
    if match["land"]:
        major = f"{spell(match['land'])} {major}"
    amount = match["sum"].replace(",", "")
    # A five dollar bill.
    single = bool(before and behind) and behind.split()[0] not in (
        "a",
        "an",
        "per",
        "and",
        "or",
        "to",
        "in",
        "at",
        "for",
    )
    if match["scale"]:
        said = f"{cardinal(amount)} {SCALES[match['scale'].lower()]} {_many(major, 1 if single else 2)}"
        return before + said + behind
    whole, _, part = amount.partition(".")
    if len(part) != 2 or not minor:
        return f"{before}{cardinal(amount)} {_many(major, 1 if amount == '1' or single else 2)}{behind}"
    said = [f"{cardinal(whole)} {_many(major, int(whole))}"] if int(whole) or not int(part) else []
    if int(part):
        said.append(f"{cardinal(str(int(part)))} {_many(minor, int(part))}")
    return before + " and ".join(said) + behind


def _rates(text: str) -> str:
    """`5/month`, `60 km/h`: per."""
    per = "|".join(sorted(PER, key=len, reverse=True))
    return re.sub(
        rf"(\d\s?[A-Za-z]{{0,5}}|(?:dollar|cent|pound|euro|pence|rupee)s?|yen)\s?/\s?({per})\b(?!/)",
        lambda m: f"{m[1]} per {PER[m[2].lower()]}",
        text,
        flags=re.I,
    )


def _fractions(text: str) -> str:
    text = re.sub(r"\b(9)/(11)\b|\b(24)/(7)\b", lambda m: " ".join(cardinal(g) for g in m.groups() if g), text)
    measured = rf"(?<![\w./,])(?:(\d+) )?(\d{{1,2}})/(\d{{1,2}})(?:\s|-)?((?:{_UNITS})\b|in\b(?=\.))\.?(?!\w)"
    text = re.sub(measured, _fraction_of_unit, text, flags=re.I)
    return re.sub(r"(?<![\w./])(?:(\d+) )?(\d{1,3})/(\d{1,4})\b(?![/.]\d|/)", _fraction, text)


def _fraction(match: re.Match) -> str:
    whole, top, bottom = match[1], int(match[2]), int(match[3])
    if top == bottom and not whole:  # fifty fifty
        return f"{match[2]} {match[3]}"
    is_fraction = 0 < top < bottom and (2 <= bottom <= 20 or bottom in (32, 64) or (top == 1 and bottom in (100, 1000)))
    if not is_fraction:
        return (f"{whole} " if whole else "") + f"{match[2]} over {match[3]}"
    name = {2: "half", 4: "quarter"}.get(bottom) or ordinal(str(bottom))
    name = name if top == 1 else "halves" if bottom == 2 else name + "s"
    said = f"{cardinal(str(top))} {name}"
    return f"{cardinal(whole)} and {said}" if whole else said


def _fraction_of_unit(match: re.Match) -> str:
    """1/2 in., 2 1/2 tsp."""
    name = {**ANY_CASE, **WITH_STOP}[match[4].lower()]
    return f"{_fraction(match)} {_unit_name(name, '2' if match[1] else '1', False)}"


def _units(text: str) -> str:
    inches = rf"({MEASURE})(\s?|-)in(?:\.(?=\s|$|[,;:)])|\b(?=\s*(?:$|[.,;:)x])))"  # 6 in. long, 5 ft 10 in
    text = re.sub(inches, lambda m: f"{cardinal(m[1])} {_unit_name(WITH_STOP['in'], m[1], m[2] == '-')}", text)
    text = re.sub(rf"(\b[Aa]n? )?({MEASURE})\s?°(?! ?[CF]\b)( [a-z]+)?", _degrees, text)
    text = re.sub(rf"(?:({MEASURE})\s?)?°\s?([CF])\b", _temperature, text)
    return re.sub(
        rf"(?P<one>\b[Aa]n? )?(?P<sum>{MEASURE})(?P<gap>\s?|-)(?P<unit>{_UNIT})\b"
        r"(?:\.(?=\s+[a-z0-9]|,|$))?(?!')(?P<behind>\s[a-z]+)?",
        _unit,
        text,
    )


def _degrees(match: re.Match) -> str:
    single = match[2] == "1" or (match[1] and match[3])
    return f"{match[1] or ''}{cardinal(match[2])} {'degree' if single else 'degrees'}{match[3] or ''}"


def _temperature(match: re.Match) -> str:
    of = {"C": "celsius", "F": "fahrenheit"}[match[2]]
    return f"{cardinal(match[1]) if match[1] else ''} {'degree' if match[1] == '1' else 'degrees'} {of}"


def _unit(match: re.Match) -> str:
    prefix, _, unit = re.sub(r"^(sq|cu)\.?\s?", r"\1 ", match["unit"], flags=re.I).rpartition(" ")
    name = LOWER.get(unit) or UPPER.get(unit) or ANY_CASE.get(unit.lower())
    before, behind = match["one"] or "", match["behind"] or ""
    if match["unit"] == "K" or (len(unit) == 1 and match["gap"] == "-"):
        return match[0]
    single = match["gap"] == "-" or bool(before and behind)
    kind = {"sq": "square ", "cu": "cubic "}.get(prefix.lower(), "")
    return f"{before}{cardinal(match['sum'])} {kind}{_unit_name(name, match['sum'], single)}{behind}"


def _unit_name(name, number: str, single: bool) -> str:
    """one gram, two grams; also a ten gram bag (single)."""
    one, many = name if isinstance(name, tuple) else (name, _units_of(name))
    return one if number == "1" or single else many


def _units_of(name: str) -> str:
    first, _, rest = name.partition(" ")
    if first.endswith("hertz"):
        return name
    return f"{name}s" if rest == "hour" else f"{first}s {rest}".strip()


def _glued(text: str) -> str:
    """Letters and digits in one: `100M users`, `10k`, `5G`, `CO2`, `MP3`, `F-16`, `Room 4B`."""
    text = re.sub(rf"(\w+ )?\b({NUMBER})([MB])(?= [a-z])", _scaled, text)
    shown = r"(?: (?:run|race|TV|video|monitor|display|screen|resolution)\b)"
    text = re.sub(r"\b(240|360|480|720|1080|1440|2160)p\b", lambda m: f"{in_pairs(m[1])} P{SPELLED} ", text)
    race = r"(?<=\b[Aa] )(5|10)[kK]\b(?=\s*(?:$|[.,;:!?)]|(?:and|or|in|on|at|for|with|to|this|last|next)\b))"
    text = re.sub(race, lambda m: f"{cardinal(m[1])} K{SPELLED} ", text)
    text = re.sub(rf"\b({NUMBER})[kK]\b(?<![248]K)(?!{shown})", r"\1 thousand", text)
    text = re.sub(r"\b([A-Z]{1,4})-?(?=\d)", lambda m: spell_unless_word(m[1]), text)
    text = re.sub(r"(?<=\d)a\b", f" A{SPELLED} ", text)
    text = re.sub(r"(?<=\d)([A-Z]{1,4})(?![A-Za-z'])", lambda m: f" {spell(m[1])} ", text)
    return re.sub(r"(?<=\d)-(?=[A-Za-z])|(?<=[A-Za-z])-(?=\d)", " ", text)


def _scaled(match: re.Match) -> str:
    if match[1] and match[1].lower().strip() in PLACES_WITH_LETTERS:
        return match[0]
    return f"{match[1] or ''}{match[2]} {SCALES[match[3].lower()]}"


def _many(name: str, count: int) -> str:
    return name if count == 1 or name == "yen" else "pence" if name == "penny" else name + "s"
