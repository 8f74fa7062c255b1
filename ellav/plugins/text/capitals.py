"""Capitals in English: which are spelled, which are words, and which are roman numerals."""

from __future__ import annotations

import re
from functools import cache

from ellav.plugins.text.dictionary import dictionary, letter
from ellav.plugins.text.numbers import cardinal, ordinal

SPELLED = "\ue000"
"""Stands behind a letter that is spelled, until the text is cut into tokens."""

# fmt: off
LETTERS = {"US", "UN", "AI", "ID", "OS", "IT", "USA", "UAE", "UFO", "CGI", "IEEE", "GPS", "GDP", "LED", "LOL", "FYI",
           "AKA", "RIP", "IOS", "NGO", "IDE", "EV", "PO", "AD", "LA", "CA", "CO", "MA", "PA", "IL", "WA", "AR", "AM",
           "EST", "MC", "IRA", "ROI", "EOP", "IQ", "DIY", "FAQ", "PE", "SE", "TA", "TOS", "SAAS", "ETA", "CAD", "ER",
           "ED", "MS", "AL", "ALS", "ETC", "ET", "SOS", "JFK"}
"""Capitals that are spelled although the dictionary has such a word."""
WORDS = {"NASA", "NATO", "COVID", "UNICEF", "UNESCO", "OPEC", "AIDS", "GIF", "JPEG", "SIM", "PIN", "RAM", "ROM",
         "ASCII", "FIFA", "UEFA", "NAFTA", "OSHA", "FOMO", "YOLO", "JSON", "YAML", "CAPTCHA", "DARPA", "HIPAA",
         "NASDAQ", "NASCAR", "BIOS", "LAN", "WAN", "MIDI", "SARS", "MERS", "LASER", "RADAR", "SONAR", "SCUBA", "SWAT",
         "TED", "IKEA", "LEGO", "NIMBY", "POTUS", "SCOTUS", "ASEAN", "BRICS", "GAN", "LORA", "CRISPR", "CUDA", "REST",
         "CRUD", "WASP", "ZIP"}
"""Capitals that are said as a word although the dictionary may lack it."""
AS_WORDS = {"JSON": "jason", "JPEG": "jay peg", "CRISPR": "crisper", "YAML": "yammel", "CUDA": "cooda",
            "HIPAA": "hippa"}
SHORT_WORDS = {"am", "an", "as", "at", "ah", "aw", "be", "by", "do", "eh", "ex", "go", "ha", "he", "hi", "hm", "if",
               "in", "is", "it", "ma", "me", "my", "no", "of", "oh", "on", "or", "ow", "ox", "pa", "re", "so", "to",
               "uh", "up", "us", "we", "ye", "yo"}
"""Words of two letters that people write in capitals to stress them."""
BEFORE_LETTER = {"vitamin", "plan", "grade", "hepatitis", "type", "group", "letter", "section", "class", "point",
                 "option", "exhibit", "appendix", "team", "series", "part", "level", "side", "influenza", "column",
                 "building", "terminal", "zone", "gate", "schedule", "form", "product", "factor", "category", "tier",
                 "channel", "straight", "an"}
ALWAYS_BEFORE_LETTER = {"vitamin", "hepatitis", "influenza"}
NUMBERED = ("act", "scene", "chapter", "part", "volume", "vol", "book", "section", "phase", "type", "class", "level",
            "title", "article", "appendix", "episode", "bowl", "mark", "stage", "war", "figure", "table", "grade",
            "category", "canto", "round", "lesson", "unit", "corps", "generation", "division", "olympiad")
"""Words after which even one letter is a roman numeral."""
RULERS = {"henry", "louis", "edward", "george", "richard", "william", "charles", "james", "elizabeth", "mary",
          "philip", "paul", "john", "pius", "benedict", "gregory", "leo", "innocent", "clement", "alexander",
          "nicholas", "peter", "catherine", "frederick", "napoleon", "ramses", "ramesses", "ptolemy", "francis",
          "ferdinand", "carlos", "juan", "felipe", "otto", "leopold", "gustav", "christian", "haakon", "olaf",
          "harald", "ivan", "constantine", "boniface", "urban", "sixtus", "julius", "thutmose", "amenhotep", "darius",
          "xerxes", "wilhelm", "albert", "margrethe", "maximilian", "joseph", "victor", "emmanuel", "umberto",
          "alfonso", "sigismund", "malcolm", "robert", "david"}
# fmt: on
ROMAN = re.compile(r"(?=[IVXLC]+\b)(?!C)(?:X[LC]|L?X{0,3})(?:I[XV]|V?I{0,3})")
"""Roman numerals up to 99 (CD, DC, MD and the like are letters)."""
NUMERALS = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100}


def spell_unless_word(letters: str) -> str:
    """Capitals beside digits: `CO2` is spelled, `SAVE20` is not."""
    return f"{letters} " if len(letters) > 3 and _is_word(letters) else f"{spell(letters)} "


def spell(letters: str) -> str:
    """`API` marked so that it is spelled."""
    return " ".join(f"{char.upper()}{SPELLED}" for char in letters)


def is_shouted(text: str) -> bool:
    """Whether capitals say nothing in `text`, as in LibriSpeech: all letters are capital, and most words ordinary."""
    if re.search("[a-z]", text):
        return False
    words = re.findall(r"(?<![A-Z0-9'])[A-Z]{2,}(?![A-Z0-9])", text)
    ordinary = [word for word in words if word not in LETTERS | WORDS and (_is_word(word) or len(word) > 6)]
    return bool(ordinary) and len(ordinary) * 2 >= len(words)


def capitals(text: str, shouted: bool) -> str:
    """`text` with the letters marked that are spelled. shouted: see `is_shouted`.

    A word in capitals that the dictionary has is a word (STOP, NASA); one that it lacks is spelled where it is short or
    has no vowel (GPU, HTML); plurals follow (CPUs). `LETTERS` and `WORDS` are exceptions.
    """
    if not shouted:
        text = re.sub(r"(?<=[a-z])(?<!\bMc)(?<!\bMac)(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z]{2,})", " ", text)  # camelCase
    text = re.sub(
        rf"(?<=[A-Z]&)[A-Z]{{1,4}}\b(?!{SPELLED})|\b[A-Z]{{1,4}}(?=&[A-Z])", lambda m: spell(m[0]), text
    )  # AT&T
    text = re.sub(r"(?<=&)([A-Z])s\b|(?<=\bstraight )([A-F])s\b",
                  lambda m: f"{m[1] or m[2]}{SPELLED}'s", text)  # fmt: skip
    text = re.sub(r"(?<![A-Za-z'])([A-Z]{2,})('s|s'|s|')?(?![\w'])", lambda m: _capitals(m, shouted), text)
    text = re.sub(rf"(?<![A-Za-z'])([B-HJ-Z])('s)?(?![A-Za-z'{SPELLED}]|\.?[A-Z])", rf"\1{SPELLED}\2", text)
    beside_sign = rf"(?<![A-Za-z'])a(?=\))|(?<=[&/+*])[Aa](?![A-Za-z'{SPELLED}])|(?<![\w'])A(?=[&/+-])"
    text = re.sub(beside_sign, f"A{SPELLED}", text)
    return re.sub(rf"(?<![A-Za-z'])A('s)?(?![A-Za-z'{SPELLED}])", lambda m: _letter_a(m, shouted), text)


def numerals(text: str) -> str:
    """`text` with roman numerals in words: `Act IV`, `World War I`, `Henry VIII`, `the XXI century`."""
    numbered = rf"\b((?i:{'|'.join(NUMBERED)})) ({ROMAN.pattern})\b(?!['’.]\w)"
    text = re.sub(numbered, _after_numbered, text)
    text = re.sub(rf"\b({ROMAN.pattern})(?= [Cc]entury\b)", lambda m: ordinal(str(_value(m[1]))), text)
    return re.sub(rf"\b([A-Z][a-z]+) ({ROMAN.pattern})\b(?!['’]\w)", _after_name, text)


def _after_numbered(match: re.Match) -> str:
    word, numeral = match.groups()
    clause_ends = re.match(r"\s*($|[^\w\s])", match.string[match.end() :])
    if numeral == "I" and not clause_ends and not re.match("[A-Z][a-z]", word):  # the part I played
        return match[0]
    return f"{word} {cardinal(str(_value(numeral)))}"


def _after_name(match: re.Match) -> str:
    name, numeral = match[1], match[2]
    rest = match.string[match.end() :]
    is_ruler = name.lower() in RULERS
    if len(numeral) == 1 and not (is_ruler and numeral == "I" and re.match(r"\s*($|[,.;:)]|of\b|was\b|is\b)", rest)):
        return match[0]
    if numeral == "XX" or numeral == "XXX" or not set(numeral) <= set("IVXL") or numeral == "XL":
        return match[0]
    value = str(_value(numeral))
    return f"{name} the {ordinal(value)}" if is_ruler else f"{name} {cardinal(value)}"


def _value(numeral: str) -> int:
    values = [NUMERALS[char] for char in numeral.upper()]
    return sum(-a if a < b else a for a, b in zip(values, [*values[1:], 0], strict=True))


def _capitals(match: re.Match, shouted: bool) -> str:
    word, end = match[1], match[2] or ""
    if shouted:
        certain = word in LETTERS and word.lower() not in SHORT_WORDS and len(word) > 2 and not _common(word)
        return _spelled(word, end) if certain or _by_letters(word) else match[0]
    if word in WORDS:
        return AS_WORDS.get(word, word.lower()) + ("'s" if "s" in end else end)
    if word == "WHO":
        return _spelled(word, end) if re.search(r"\bthe $", match.string[: match.start()], re.I) else match[0]
    if word in LETTERS:
        stressed = word.lower() in SHORT_WORDS and not end and _beside_stressed(match)
        return match[0] if stressed else _spelled(word, end)
    if len(word) == 2:
        return match[0] if word.lower() in SHORT_WORDS else _spelled(word, end)
    if _by_letters(word) or (not _is_word(word) and (len(word) <= 5 or not re.search("[AEIOU]", word))):
        return _spelled(word, end)
    return match[0]


def _spelled(word: str, end: str) -> str:
    return spell(word) + ("'s" if "s" in end else "")


def _beside_stressed(match: re.Match) -> bool:
    """Whether the word before or behind is an ordinary one in capitals (GIVE IT BACK)."""
    before = re.search(r"([A-Za-z']+) $", match.string[: match.start()])
    behind = re.match(r" ([A-Za-z']+)", match.string[match.end() :])
    return any(
        found and (found[1] == "I" or (len(found[1]) > 1 and found[1].isupper() and _is_word(found[1])
                                       and found[1] not in LETTERS))
        for found in (before, behind)
    )  # fmt: skip


def _is_word(word: str) -> bool:
    """Whether the dictionary has the word, and does not spell it."""
    return word.lower() in dictionary() and not _by_letters(word)


@cache
def _by_letters(word: str) -> bool:
    """Whether the dictionary spells the word (FBI, CPU), or it cannot be said but by its letters."""
    said = dictionary().get(word.lower())
    if said is None:
        return not re.search("[AEIOU]", word)
    names = [phone.rstrip("012") for char in word.lower() for phone in letter(char)]
    return [phone.rstrip("012") for phone in said] == names


def _common(word: str) -> bool:
    return word.lower() in ("led", "rip", "tos", "ira", "cad", "est", "als", "etc")


def _letter_a(match: re.Match, shouted: bool) -> str:
    """The letter A where it is no article: inside a sentence, or before what follows no article."""
    before = re.search(r"([A-Za-z']+) $", match.string[: match.start()])
    rest = match.string[match.end() :]
    if match[1]:
        return f"A{SPELLED}'s"
    if before and before[1].lower() in (ALWAYS_BEFORE_LETTER if shouted else BEFORE_LETTER):
        return f"A{SPELLED}"
    if re.match(r"\s*($|[,.;:!?)])|(?:\s+(?:is|was|to|and|or|plus|minus|equals)\b)", rest, re.I):
        return f"A{SPELLED}"
    if shouted or not before or re.match(r"\s+[A-Z]", rest):
        return match[0]
    return f"A{SPELLED}"
