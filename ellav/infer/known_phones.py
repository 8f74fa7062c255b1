"""Phones that a model has never seen, and those that stand for them."""

from __future__ import annotations

from dataclasses import replace

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.plugins.text import Phones, TextFrontEnd
from ellav.types import SILENCE


def with_known_phones(said: Phones, front_end: TextFrontEnd, tokens: Tokens, where: str) -> Phones:
    """`said` in phones of the token list: for one that is not there the first of its fallbacks that is.

    Which those are says the front end (`fallbacks`), where it knows any. Raises UserError that names the word,
    after `where`, for a phone for which none can stand.
    """
    if all(phone in tokens.id for phone in said.phones):
        return said
    made = []
    for phone, owner in zip(said.phones, said.word_of_phone, strict=True):
        candidates = [phone, *(front_end.fallbacks(phone) if hasattr(front_end, "fallbacks") else ())]
        known = [candidate for candidate in candidates if candidate in tokens.id]
        if not known and phone != SILENCE:
            tried = f", nor {' nor '.join(candidates[1:])}" if candidates[1:] else ""
            raise UserError(
                f"{where}: word {said.words[owner]!r} has the phone {phone!r}, which is not in the token list of the"
                f" model{tried} ({' '.join(tokens.phones)})"
            )
        made.append(known[0] if known else phone)
    return replace(said, phones=made)
