"""English as written to English as spoken: numbers, abbreviations, capitals and signs in words."""

from __future__ import annotations

import re

from ellav.plugins.text.abbreviations import abbreviations
from ellav.plugins.text.capitals import SPELLED, capitals, is_shouted, numerals
from ellav.plugins.text.dates import dates
from ellav.plugins.text.quantities import quantities, telephones
from ellav.plugins.text.symbols import PAUSES, addresses, plain, refuse, signs

PAUSE = ","
"""The token that stands for punctuation at which a speaker pauses."""

TOKEN = re.compile(rf"[A-Z]{SPELLED}(?:'s)?|[A-Za-z]+(?:'[A-Za-z]+)*'?(?!{SPELLED})|[{re.escape(PAUSES)}]+|--+|\s-\s")


def spoken(text: str) -> list[str]:
    """The tokens of `text` as a speaker says them: lower-case words, letters and `PAUSE`.

    A word has letters a-z and apostrophes only. A letter whose name is said is upper-case (`A P I`, `C P U's`), so
    that A is told from the article. Nothing that would be said is left out: raises UserError naming the first
    character that has no reading (other scripts, emoji amid a sentence, unknown signs).
    `symbols.UNSPOKEN` lists what is not said.
    """
    written = text
    text = plain(text)
    shouted = is_shouted(text)
    for rule in (addresses, abbreviations, numerals):
        text = rule(text)
    text = dates(telephones(text))
    if re.search(r"\d", text):
        text = quantities(text)
    text = signs(capitals(text, shouted))
    tokens, rest, end = [], [], 0
    for match in TOKEN.finditer(text):
        rest.append(text[end : match.start()])
        end = match.end()
        token = match[0]
        if not token[0].isalpha():
            tokens.append(PAUSE)
        elif SPELLED in token:
            tokens.append(token.replace(SPELLED, ""))
        else:
            tokens.append(token.lower() if token.lower().endswith("s'") else token.lower().rstrip("'"))
    refuse("".join([*rest, text[end:]]), written)
    return tokens


def is_letter(token: str) -> bool:
    """Whether a token of `spoken` is a letter whose name is said, or more than one of it (`U's`)."""
    return token[0].isupper()
