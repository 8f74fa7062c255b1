"""Phones that a person writes, in ARPAbet or IPA, as those of a model."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from ellav.errors import UserError, one_line
from ellav.types import SILENCE

ALPHABETS = ("x-arpabet", "ipa")
ARPABET = ("arpabet-stress", "arpabet")
"""Phone sets of front ends that are ARPAbet, with and without stress."""

# fmt: off
IN_ARPABET = {
    "ɑː": "AA", "ɑ": "AA", "ɒ": "AA", "æ": "AE", "a": "AE", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "ɔː": "AO", "ɔ": "AO",
    "aʊ": "AW", "aɪ": "AY", "ɛ": "EH", "e": "EH", "ɝ": "ER", "ɚ": "ER", "ɜː": "ER", "ɜ": "ER", "əɹ": "ER", "ər": "ER",
    "ɜːɹ": "ER", "ɜɹ": "ER", "ɜr": "ER", "eɪ": "EY", "ɪ": "IH", "iː": "IY", "i": "IY", "oʊ": "OW", "əʊ": "OW",
    "o": "OW", "ɔɪ": "OY", "ʊ": "UH", "uː": "UW", "u": "UW",
    "b": "B", "tʃ": "CH", "ʧ": "CH", "d": "D", "ð": "DH", "f": "F", "ɡ": "G", "g": "G", "h": "HH", "dʒ": "JH",
    "ʤ": "JH", "k": "K", "l": "L", "ɫ": "L", "m": "M", "n": "N", "ŋ": "NG", "p": "P", "ɹ": "R", "r": "R", "s": "S",
    "ʃ": "SH", "t": "T", "ɾ": "T", "θ": "TH", "v": "V", "w": "W", "j": "Y", "z": "Z", "ʒ": "ZH",
}
"""IPA as English is written in it, in ARPAbet."""
# fmt: on
VOWELS = ("A", "E", "I", "O", "U")
"""With what the ARPAbet of a vowel begins."""
STRESS, APART = {"ˈ": "ˈ", "'": "ˈ", "ˌ": "ˌ", ",": "ˌ"}, " .‿\u0361\u035c"
"""Marks of stress as people write them, and what stands between phones and is none."""


def given_phones(written: str, alphabet: str, phone_set: str, known: Sequence[str], where: str) -> tuple[str, ...]:
    """`written` in phones of a model. phone_set: of its front end. known: its phones.

    Raises UserError that begins with `where` for another alphabet, for one that the model does not speak in, and for
    what is no phone.
    """
    if alphabet not in ALPHABETS:
        raise UserError(f"{where}: alphabet {one_line(repr(alphabet), 50)} is none of {', '.join(ALPHABETS)}")
    written = unicodedata.normalize("NFC", written).strip().replace(":", "ː")
    if not written:
        raise UserError(f"{where}: ph, its phones, is empty")
    if phone_set in ARPABET:
        phones = written.upper().split() if alphabet == "x-arpabet" else _in_arpabet(written, where)
        return tuple(_as_written(phone, phone_set, where) for phone in phones)
    if not phone_set.startswith("ipa") or alphabet != "ipa":
        raise UserError(f"{where}: the phones of this model are {phone_set!r}, which cannot be written in {alphabet}")
    return _cut(written, known, where)


def _as_written(phone: str, phone_set: str, where: str) -> str:
    """A phone of ARPAbet with or without its stress, as the front end has it. A vowel without one has none (0)."""
    bare = phone.rstrip("012")
    if bare not in IN_ARPABET.values() or len(phone) - len(bare) > 1:
        raise UserError(f"{where}: {one_line(repr(phone), 50)} is no phone of ARPAbet")
    if phone_set == "arpabet" or not bare.startswith(VOWELS):
        return bare
    return phone if phone != bare else f"{bare}0"


def _in_arpabet(written: str, where: str) -> list[str]:
    """IPA in ARPAbet; a mark of stress is that of the next vowel."""
    phones, stress, place = [], "0", 0
    while place < len(written):
        sign = written[place]
        if sign in STRESS or sign in APART:
            stress = {"ˈ": "1", "ˌ": "2"}.get(STRESS.get(sign), stress)
            place += 1
            continue
        size = next((n for n in (3, 2, 1) if written[place : place + n] in IN_ARPABET), 0)
        if not size:
            raise UserError(f"{where}: {one_line(repr(sign), 20)} in its ph is no phone of English")
        phone = IN_ARPABET[written[place : place + size]]
        if phone.startswith(VOWELS):
            phone, stress = phone + stress, "0"
        phones.append(phone)
        place += size
    return phones


def _cut(written: str, known: Sequence[str], where: str) -> tuple[str, ...]:
    """IPA cut into phones of the model, always the longest that fits; a mark of stress is that of the next phone which
    the model knows with it."""
    names = set(known) - {SILENCE}
    phones, stress, place, longest = [], "", 0, max(map(len, known))
    while place < len(written):
        size = next((n for n in range(longest, 0, -1) if written[place : place + n] in names), 0)
        phone = written[place : place + size]
        if size and stress + phone in names:
            phone, stress = stress + phone, ""
        if size:
            phones.append(phone)
        elif written[place] in STRESS:
            stress = STRESS[written[place]]
        elif written[place] not in APART:
            there = f"{where}: {one_line(repr(written[place]), 20)} in its ph begins no phone of the model"
            raise UserError(f"{there} ({' '.join(known)})")
        place += size or 1
    return tuple(phones)
