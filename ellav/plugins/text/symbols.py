"""Signs, web addresses and letters beyond a-z: what is said for them in English, and what is not said."""

from __future__ import annotations

import html
import re
import unicodedata

from ellav.errors import UserError
from ellav.plugins.text.capitals import SPELLED
from ellav.plugins.text.written import prepare

SIGNS = {"%": "percent", "&": "and", "+": "plus", "=": "equals", "@": "at", "#": "hash", "°": "degrees",
         "×": "times", "÷": "divided by", "±": "plus or minus", "≈": "about", "~": "about", "≠": "is not equal to",
         "≤": "is at most", "≥": "is at least", "∞": "infinity", "√": "square root of", "§": "section",
         "¶": "paragraph", "©": "copyright", "‰": "per thousand", "\\": "backslash", "^": "to the power of",
         "/": "slash", "$": "dollar", "£": "pound", "€": "euro", "¥": "yen", "₹": "rupee", "¢": "cent"}  # fmt: skip
"""Signs that are spoken wherever they stand, unless a rule for numbers has used them."""

IN_ADDRESS = {".": "dot", "/": "slash", "-": "dash", "_": "underscore", ":": "colon", "?": "question mark",
              "=": "equals", "&": "and", "#": "hash", "%": "percent", "@": "at", "+": "plus", "~": "tilde"}  # fmt: skip
TOP_DOMAINS = "com|org|net|edu|gov|mil|info|io|ai|dev|app|eu|uk|de|fr|ch|nl|jp|ca|au"
ADDRESS = re.compile(
    r"(?P<scheme>\b(?:https?|ftp)://)?"
    r"(?P<body>(?:(?<=//)|\bwww\.)[^\s<>\"]+"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
    rf"|\b(?:[A-Za-z0-9-]+\.)+(?:{TOP_DOMAINS})\b(?:[/?#:][^\s<>\"]*)?)"
)
FILE = re.compile(
    r"\b([\w-]+)\.(pdf|py|js|ts|txt|docx?|xlsx?|pptx?|csv|tsv|jpe?g|png|gif|svg|mp[34]|wav|flac|zip|exe|json|ya?ml"
    r"|html?|css|xml|md|sh|cpp|log|bak|tar|gz)\b(?!\.\w)",
    re.I,
)

UNSPOKEN = frozenset("\"“”„‟«»‹›″‚`*_'-‐‑™®†‡\x7f")
"""Characters that nobody says: quotation marks, emphasis, hyphens, trademark signs, marks of notes."""

PAUSES = ",.;:!?()[]{}|•‣·¿¡"
"""Characters at which a speaker pauses."""

LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "th", "þ": "th", "ı": "i"}
POWERS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
PICTURE = "[\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001faff]"


def plain(text: str) -> str:
    """Compatibility forms, quotes, dashes, accents, Greek letters and digits to plain characters.

    Pictures (emoji) at the beginning or end of a text or sentence are left out as ornaments.
    Raises UserError for markup.
    """
    text = re.sub(r"&(?:[A-Za-z]+|#\d+|#x[0-9A-Fa-f]+);", lambda m: html.unescape(m[0]), text)
    markup = re.search(r"</?[A-Za-z][^<>]*>", text)
    if markup:
        raise UserError(f"text {shorten(text)!r} holds markup, {markup[0]!r}; remove it")
    text = prepare(text).strip()
    if not text.isascii():
        text = _ascii(text)
    text = re.sub(r"(?<=\w)`(?=[A-Za-z])", "'", text)  # dont, written don`t
    text = re.sub(r"(?<![\w.-])(-\d[\d.,]*(?:\s?(?:%|°\s?[CF]?))?)\s?-\s?(?=-\d)", r"\1 to ", text)  # -3--1
    text = re.sub(r"(?<=\d)\s-\s(?=-\d)", " minus ", text)
    text = re.sub(r"\b([A-Za-z]):(?=\\)", r"\1 colon ", text)
    return re.sub("--+", " , ", text)


def _ascii(text: str) -> str:
    text = "".join(c for c in text if unicodedata.category(c) != "Cf" and not 0xFE00 <= ord(c) <= 0xFE0F)
    text = text.replace("\u20e3", "").replace(SPELLED, "\ufffd")
    text = re.sub(rf"(^|[.!?…])\s*(?:{PICTURE}\s*)+", r"\1 ", text)
    text = re.sub(rf"(?:\s*{PICTURE})+\s*($|[.!?…])", r"\1", text)
    text = re.sub(r"(?<=\w)[´′](?=[A-Za-z])", "'", text)
    text = re.sub(r"(?<=\d)\s*−\s*(?=[\d.])", " minus ", text)
    text = text.translate(
        str.maketrans(
            {"’": "'", "‘": "'", "ʼ": "'", "´": "'", "…": ", ", "№": " number ",
             "′": "'", "″": '"', "™": "", "®": "", "º": "°", "−": "-", "·": " · "}
        )
    )  # fmt: skip
    text = re.sub(r"(?<=\d)\s?(km|cm|mm|m|ft|mi|in|yd)²(?!\d)", r" sq \1", text)
    text = re.sub(r"(?<=\d)\s?(km|cm|mm|m|ft|mi|in|yd)³(?!\d)", r" cu \1", text)
    text = re.sub(r"(?<=[\w)])²(?!\d)", " squared ", text)
    text = re.sub(r"(?<=[\w)])³(?!\d)", " cubed ", text)
    text = re.sub(r"(?<=[\w)])[⁰¹²³⁴-⁹⁻]+", lambda m: f" to the power of {m[0].translate(POWERS)} ", text)
    text = re.sub(r"(?<=\d)\s*[–—]\s*(?=[\d$£€¥])|(?<=[\w%°])–(?=\d)|(?<=[A-Za-z]{3})–(?=[A-Z][a-z]{2})", "-", text)
    text = re.sub(r"[–—―]", " , ", text)
    text = re.sub("[¼-¾⅐-⅞]", lambda m: f" {unicodedata.normalize('NFKC', m[0]).replace('⁄', '/')}", text)
    text = unicodedata.normalize("NFKD", text).replace("⁄", "/")
    for letter, written in LETTERS.items():
        text = text.replace(letter, written).replace(letter.upper() if letter != "ß" else "ẞ", written.capitalize())
    text = "".join(c for c in text if unicodedata.category(c) not in ("Mn", "Me"))
    text = "".join(str(unicodedata.digit(c)) if c.isdigit() and not c.isascii() else c for c in text)
    return re.sub(r"(?<![^\W\d])[\u0370-\u03ff](?![^\W\d])", lambda m: f" {_greek(m[0])} ", text)


def _greek(letter: str) -> str:
    words = unicodedata.name(letter, "").split()
    return words[-1].lower().replace("lamda", "lambda") if "LETTER" in words else letter


def addresses(text: str) -> str:
    """Web and mail addresses as people say them: `example dot com slash a dash b`.

    What is before `//` is not said. The kind of a file is read as capitals are (`dot P D F`).
    """
    text = ADDRESS.sub(_address, text)
    return FILE.sub(lambda m: f"{m[1]} dot {m[2].upper()}", text)


def _address(match: re.Match) -> str:
    body = match["body"].rstrip(".,;:!?)'")
    rest = match["body"][len(body) :]
    body = body.rstrip("/")
    body = re.sub(r"\bwww\.", "w w w dot ", body, flags=re.I)
    body = re.sub(r"(?<=\.)[a-z]{2}(?=$|[/?#:])", lambda m: m[0].upper(), body)
    said = "".join(f" {IN_ADDRESS[c]} " if c in IN_ADDRESS else c for c in body)
    return re.sub(r"(?<![^\s])[aA](?!\S)", f"A{SPELLED}", said) + rest


def signs(text: str) -> str:
    """Signs in words; numbers are words already."""
    text = re.sub(rf"\b([A-G]{SPELLED}?)#", r"\1 sharp ", text)
    text = re.sub(r"(?<!\S)#(?=[A-Za-z])", " hashtag ", text)
    text = re.sub(r"(?<=\w)\s+\*\s+(?=\w)", " times ", text)
    text = re.sub(r"(?<=\w)\s*<\s*(?=[\w-])", " is less than ", text)
    text = re.sub(r"(?<=\w)\s*>\s*(?=[\w-])", " is greater than ", text)
    text = re.sub(rf"\b([A-F]{SPELLED})-(?=\s*$|[.,;!?]|\s+[a-z])", r"\1 minus ", text)
    text = re.sub(rf"(?<!{SPELLED} )\b([A-Z]{SPELLED})-(?=[A-Z]{SPELLED}(?! [A-Z]{SPELLED}))", r"\1 to ", text)  # A-Z
    text = re.sub(rf"(?<=[\w{SPELLED}])[-/_](?=\w)", " ", text)  # and/or
    text = text.replace(" / ", " , ").replace("~/", " tilde slash ")
    for sign, words in SIGNS.items():
        text = text.replace(sign, f" {words} ")
    return text


def shorten(text: str, most: int = 80) -> str:
    """The beginning of a long text, for messages."""
    return text if len(text) <= most else text[: most - 3] + "..."


def refuse(rest: str, text: str) -> None:
    """Raises UserError naming the first character of `rest` that has no reading and is not `UNSPOKEN`."""
    odd = next((c for c in rest if not c.isspace() and c not in UNSPOKEN), None)
    if odd is None:
        return
    name = unicodedata.name(odd, f"U+{ord(odd):04X}")
    where = f"text {shorten(text)!r}: {odd!r} ({name})"
    raise UserError(f"{where} has no reading in English; write it in words or remove it")
