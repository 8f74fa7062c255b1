"""English abbreviations in full."""

from __future__ import annotations

import re

from ellav.plugins.text.capitals import spell

# fmt: off
TITLES = {"mr": "mister", "mrs": "missus", "ms": "miz", "messrs": "messers", "prof": "professor", "gen": "general",
          "col": "colonel", "capt": "captain", "sgt": "sergeant", "lt": "lieutenant", "maj": "major",
          "rev": "reverend", "hon": "honorable", "gov": "governor", "sen": "senator", "rep": "representative",
          "pres": "president", "cmdr": "commander", "adm": "admiral", "cpl": "corporal", "pvt": "private",
          "mt": "mount", "ft": "fort", "msgr": "monsignor", "supt": "superintendent", "insp": "inspector"}
"""Before a name. The full stop ends nothing."""
BARE_TITLES = ("mr", "mrs", "ms", "messrs", "prof")
"""Titles that are written without a full stop too."""
NUMBERED = {"no": "number", "nos": "numbers", "fig": "figure", "figs": "figures", "p": "page", "pp": "pages",
            "vol": "volume", "ch": "chapter", "chap": "chapter", "sec": "section", "ext": "extension",
            "apt": "apartment", "est": "established", "max": "maximum", "min": "minimum", "approx": "approximately",
            "ver": "version", "art": "article", "eq": "equation", "ste": "suite", "tel": "telephone", "hwy": "highway",
            "op": "opus"}
"""Before a number. The full stop ends nothing."""
OTHERS = {"jr": "junior", "sr": "senior", "ave": "avenue", "blvd": "boulevard", "rd": "road",
          "etc": "et cetera", "approx": "approximately", "dept": "department", "inc": "incorporated", "hwy": "highway",
          "ltd": "limited", "co": "company", "corp": "corporation", "esq": "esquire", "bros": "brothers",
          "vol": "volume", "jan": "january", "feb": "february", "apr": "april", "aug": "august", "pkwy": "parkway",
          "sept": "september", "oct": "october", "nov": "november", "dec": "december", "govt": "government",
          "assn": "association", "misc": "miscellaneous", "avg": "average", "max": "maximum", "temp": "temperature",
          "appt": "appointment", "mgr": "manager", "cf": "compare", "viz": "namely", "ln": "lane",
          "univ": "university", "tel": "telephone", "mfg": "manufacturing"}
BETWEEN = {"approx", "avg", "cf", "viz", "max"}
"""What never ends a sentence, whatever follows."""
SHORT = {"w/o": "without", "w/": "with ", "b/c": "because", "c/o": "care of", "s/he": "she or he"}
WITHOUT_STOP = {"xmas": "christmas", "ctrl": "control", "pls": "please", "plz": "please",
                "thx": "thanks", "tbh": "to be honest", "idk": "i don't know", "btw": "by the way", "aka": spell("aka")}
DIRECTIONS = {"N": "north", "S": "south", "E": "east", "W": "west"}
STARTERS = {"a", "after", "all", "also", "and", "another", "as", "at", "both", "but", "did", "do", "each", "either",
            "every", "finally", "first", "for", "from", "go", "he", "her", "here", "his", "how", "however", "i", "if",
            "in", "is", "it", "its", "keep", "last", "later", "let", "many", "most", "my", "next", "no", "not", "now",
            "of", "on", "once", "one", "our", "please", "she", "since", "so", "some", "soon", "still", "stop", "take",
            "that", "the", "their", "then", "there", "these", "they", "this", "those", "to", "today", "turn", "walk",
            "was", "we", "were", "what", "when", "where", "which", "while", "why", "will", "with", "yes", "yesterday",
            "yet", "you", "your"}
"""Words with which a sentence begins after `Main St.`, and which are no names."""
SAINTS = {"paul", "louis", "john", "peter", "mary", "james", "george", "andrew", "helens", "petersburg", "augustine",
          "francis", "nicholas", "patrick", "thomas", "joseph", "luke", "mark", "matthew", "michael", "martin",
          "moritz", "tropez", "lucia", "kitts", "vincent", "catherine", "catharines", "anne", "ann", "bernard",
          "albans", "ives", "charles", "clair", "cloud", "croix", "denis", "germain", "jude", "lawrence", "maarten",
          "pancras", "stephen", "teresa", "valentine", "vitus"}
PLACES = {"mount", "mt", "port", "fort", "ft", "lake", "the", "in", "at", "near", "from", "to", "and", "of", "east",
          "west", "north", "south", "saint", "cape", "sault", "ste", "dear"}
"""Capitalised words between which and a name `St.` is a saint."""
# fmt: on
_PLAIN = {"e.g.": "for example", "i.e.": "that is", "eg.": "for example", "ie.": "that is"}


def abbreviations(text: str) -> str:
    """`text` with abbreviations in full. A full stop stays only where it also ends the sentence."""
    text = re.sub(r"\bPh\.?\s?D(s?)\b\.?", lambda m: spell("phd") + ("'s" if m[1] else ""), text)
    text = re.sub(r"(?<![\w.])(?:e\.\s?g\.|i\.\s?e\.|eg\.|ie\.),?", _latin, text, flags=re.I)
    text = re.sub(r"(?<![\w/])(?:w/o|w/|b/c|c/o|s/he)(?![\w/]*/)", lambda m: SHORT[m[0].lower()], text, flags=re.I)
    text = re.sub(r"(?<![\w/])(n)/(a)(?![\w/])", lambda m: spell("na"), text, flags=re.I)
    text = re.sub(r"(?<=[A-Z][a-z]{2} )v\.(?= [A-Z])|(?<=[A-Z][a-z]{3} )v\.(?= [A-Z])", "versus", text)
    text = re.sub(
        rf"(?<![\w'])({'|'.join(WITHOUT_STOP)})\b(?![.']\w)", lambda m: WITHOUT_STOP[m[1].lower()], text, flags=re.I
    )
    text = re.sub(r"\bvs\b\.?", "versus", text, flags=re.I)
    text = re.sub(r"(?<=\d )([NSEW])\.? (?=[A-Z][a-z]+ |\d+(?:st|nd|rd|th)\b)", lambda m: f"{DIRECTIONS[m[1]]} ", text)
    text = re.sub(r"(?<![\w.])ca?\. ?(?=\d{3,4}\b)", "circa ", text)
    text = re.sub(rf"\b({'|'.join(NUMBERED)})\.\s*(?=\d)", _before_number, text, flags=re.I)
    text = re.sub(r"\b(?:St|ST)\b\.?(?=\s|$|[,;:!?)])", _street_or_saint, text)
    text = re.sub(r"\b(?:Dr|DR)\b\.?(?=\s|$|[,;:!?)])", _drive_or_doctor, text)
    titles = "|".join(TITLES)
    for _ in range(2):  # Lt. Col. Hill
        text = re.sub(rf"\b(?<!\d )(?<!\d)({titles})\.(?=\s+[A-Z])", lambda m: TITLES[m[1].lower()], text, flags=re.I)
    bare = "|".join(BARE_TITLES)
    # MS Word is none, MS BROWN is one.
    bare = rf"\b({bare})\b(?:\.(?=\s+(?:[A-Z]|&|and\b))|(?=\s+(?-i:[A-Z]))(?!(?-i:(?<=[A-Z]{{2}})\s+[A-Z][a-z])))"
    text = re.sub(bare, lambda m: TITLES[m[1].lower()], text, flags=re.I)
    text = re.sub(rf"\b({'|'.join(OTHERS)})\.", _other, text, flags=re.I)
    return initials(text)


def initials(text: str) -> str:
    """`U.S.A.`, `a.k.a.` and `J. K. Rowling` as letters that are spelled."""
    text = re.sub(r"(?<![\w.])(?:[A-Za-z]\.){2,}(?:[A-Za-z](?![\w']))?('s)?(?!\w)", _initials, text)
    return re.sub(r"(?<![\w.'])((?:[A-Z]\. ?)+)(?=[A-Z][a-z])", _initials_of_name, text)


def _initials_of_name(match: re.Match) -> str:
    if _starts(" " + match.string[match.end() :]):
        return match[0]
    return spell(re.sub("[. ]", "", match[1])) + " "


def _initials(match: re.Match) -> str:
    letters = match[0].removesuffix("'s").replace(".", "")
    return spell(letters) + (match[1] or "") + (". " if _starts(match.string[match.end() :]) else " ")


def _latin(match: re.Match) -> str:
    return _PLAIN[re.sub(r"[\s,]", "", match[0]).lower()]


def _before_number(match: re.Match) -> str:
    return f"{NUMBERED[match[1].lower()]} "


def _starts(rest: str) -> bool:
    """Whether a sentence begins there."""
    found = re.match(r"\s+([A-Z][a-z]*)", rest)
    return bool(found) and found[1].lower() in STARTERS


def _street_or_saint(match: re.Match) -> str:
    if match[0].startswith("ST"):  # all around it is in capitals
        return "saint" if re.match(r"\s+[A-Z]", match.string[match.end() :]) else "street"
    before = re.search(r"([A-Za-z0-9]+) $", match.string[: match.start()])
    behind = re.match(r"\s+([A-Z][a-z]*)", match.string[match.end() :])
    has_name = bool(before) and (before[1][0].isupper() or before[1][0].isdigit()) and before[1].lower() not in PLACES
    if behind and (not has_name or behind[1].lower() in SAINTS):
        return "saint"
    if before is None:
        return "saint" if behind else "street"
    return "street" + (_stop(match) if match[0].endswith(".") else "")


def _drive_or_doctor(match: re.Match) -> str:
    before = re.search(r"([A-Z][a-z]+) $", match.string[: match.start()])
    rest = match.string[match.end() :]
    is_name = re.match(r"\s+[A-Z]", rest) and not (before and _starts(rest))
    if before is None or is_name:
        return "doctor"
    return "drive" + (_stop(match) if match[0].endswith(".") else "")


def _other(match: re.Match) -> str:
    word = match[1].lower()
    return OTHERS[word] + ("" if word in BETWEEN else _stop(match))


def _stop(match: re.Match) -> str:
    """A full stop, where the one that the abbreviation ends with also ends the sentence."""
    return "." if re.match(r"\s+[A-Z]|\s*$", match.string[match.end() :]) else ""
