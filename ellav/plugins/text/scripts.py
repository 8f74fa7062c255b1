"""Which script a letter is of, and which scripts a language is written in."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

HAN, LATIN = "CJK", "LATIN"
# fmt: off
WRITTEN_IN = {
    "CYRILLIC": "ba be bg chu cv kk ky mk mn ru sr tt uk",
    "GREEK": "el grc", "ARABIC": "ar fa ks ps sd ug ur", "HEBREW": "he", "ARMENIAN": "hy hyw", "GEORGIAN": "ka",
    "DEVANAGARI": "bho hi kok mr ne", "BENGALI": "as bn bpy", "GUJARATI": "gu", "GURMUKHI": "pa", "ORIYA": "or",
    "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si", "THAI": "th",
    "MYANMAR": "my shn", "ETHIOPIC": "am ti", "CHEROKEE": "chr", "HANGUL CJK": "ko", "HIRAGANA KATAKANA CJK": "ja",
    "CJK": "cmn yue zh", "LATIN CYRILLIC": "az bs kaa nog tk uz", "LATIN CJK": "hak",
}
# fmt: on
"""Scripts -> the languages that are written in them, as eSpeak NG names them; all others have Latin letters."""
NAMES = {HAN: "Chinese characters"}


@lru_cache(maxsize=20_000)
def script_of(char: str) -> str | None:
    """The script of a letter, as Unicode's names begin (`LATIN`, `CYRILLIC`, `CJK`); None for what is no letter.

    Letters that belong to no one script (`ª`, `ー`) have none either.
    """
    if unicodedata.category(char) not in ("Lu", "Ll", "Lt", "Lo"):
        return None
    name = unicodedata.name(char, "")
    if name == "IDEOGRAPHIC ITERATION MARK" or name.startswith("CJK"):
        return HAN
    return name.partition(" ")[0] if "LETTER" in name or "SYLLABLE" in name or "CHARACTER" in name else None


def scripts_of(language: str) -> set[str]:
    """The scripts that `language` (`es`, `en-us`, `cmn`) is written in.

    A subtag that names one (`cmn-latn-pinyin`) is heard.
    """
    base, *tags = language.lower().replace("_", "-").split("-")
    if "latn" in tags:
        return {LATIN, HAN} if base in WRITTEN_IN["CJK"].split() else {LATIN}
    found = {script for scripts, names in WRITTEN_IN.items() if base in names.split() for script in scripts.split()}
    return found or {LATIN}


def first_foreign(words: str, scripts: set[str]) -> tuple[str, str] | None:
    """The first letters in a row of `words` that are of none of `scripts`, and the name of their script."""
    found, script = "", None
    for char in words:
        own = script_of(char)
        if own is not None and own not in scripts and script in (None, own):
            found, script = found + char, own
        elif found:
            break
    if not found:
        return None
    return found, NAMES.get(script, f"{script.title()} letters")
