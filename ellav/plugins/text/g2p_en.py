"""English with the CMU dictionary and g2p-en's network for the words it lacks. Offline."""

from __future__ import annotations

import re
from functools import cache
from types import SimpleNamespace
from typing import Literal
from unittest import mock

from ellav.errors import UserError
from ellav.plugins.text import Phones, homographs, text
from ellav.plugins.text.dictionary import dictionary, letter
from ellav.plugins.text.english import PAUSE, is_letter, spoken
from ellav.plugins.text.nemo import Nemo
from ellav.types import SILENCE

FIXED = {
    "a": ("AH0",),
    "o'clock": ("AH0", "K", "L", "AA1", "K"),
    "n": ("AH0", "N"),
    "pm": ("P", "IY1", "EH1", "M"),
    "am": ("AE1", "M"),
    "et": ("EH1", "T"),
    "cetera": ("S", "EH1", "T", "ER0", "AH0"),
}
NEAREST_STRESS = {"0": "21", "1": "20", "2": "10"}
LONGEST, MOST_PREDICTED = 24, 20
"""Letters beyond which the network leaves out parts of a word, and phones at which it stops."""


@text.register("g2p_en")
class G2pEn:
    """English text to ARPAbet phones.

    stress: keep the stress digits of vowels (`AH0`, `EY1`); otherwise 39 phones. normalizer: who puts numbers and
    abbreviations into words: `ellav` (ours), or `nemo` (the grammars of nemo_text_processing, the extra `nemo`) with
    ours for what it leaves.
    """

    language = "en"
    words_ahead = 1
    """Of 12,860 words 4 were so read otherwise than in their whole sentences, without the word ahead 282
    (`docs/synthesis.md`): `the` before a vowel, `$5 million`, homographs."""

    def __init__(self, stress: bool = True, normalizer: Literal["ellav", "nemo"] = "ellav"):
        self.stress = stress
        self.nemo = Nemo("en") if normalizer == "nemo" else None
        self.phone_set = "arpabet-stress" if stress else "arpabet"

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation. Words are upper-case.

        Raises UserError where `text` holds nothing that can be spoken, or something that cannot.
        """
        tokens = spoken(self.nemo(text) if self.nemo else text)
        readings = homographs.readings(text, tokens)
        phones, word_of_phone, words = [SILENCE], [-1], []
        for place, token in enumerate(tokens):
            if token == PAUSE:
                if phones[-1] != SILENCE:
                    phones.append(SILENCE)
                    word_of_phone.append(-1)
                continue
            found = spelled(token) if is_letter(token) else readings.get(place) or pronounce(token)
            if token == "the" and place + 1 < len(tokens) and _starts_with_vowel(tokens[place + 1]):
                found = ("DH", "IY0")
            phones += found if self.stress else [phone.rstrip("012") for phone in found]
            word_of_phone += [len(words)] * len(found)
            words.append(token.upper())
        if not words:
            raise UserError(f"text {text!r} has no English word in it; write it in Latin letters or digits")
        if phones[-1] != SILENCE:
            phones.append(SILENCE)
            word_of_phone.append(-1)
        return Phones(phones, word_of_phone, words)

    def fallbacks(self, phone: str) -> list[str]:
        """The same vowel with another stress, the nearest first: secondary stress (2) lies between primary (1) and
        none (0), and nearer to primary, with which it shares the full vowel."""
        return [phone[:-1] + stress for stress in NEAREST_STRESS.get(phone[-1:], "")]


@cache
def pronounce(word: str) -> tuple[str, ...]:
    """Phones with stress of a lower-case word; of a homograph its commonest reading.

    Raises UserError for a word that no dictionary has and that is too long for the network.
    """
    if common := homographs.commonest(word):
        return common
    if word in FIXED:
        return FIXED[word]
    if word in dictionary():
        return dictionary()[word]
    stem = re.fullmatch(r"(.+?)(?:'s|s'|')", word)
    if stem and stem[1] != word:
        return _possessive(pronounce(stem[1] if not word.endswith("s'") else stem[1] + "s"), word.endswith("'s"))
    word = word.replace("'", "")
    if word in dictionary():
        return dictionary()[word]
    if len(word) == 1 or not re.search("[aeiouy]", word):
        return tuple(phone for sign in word for phone in letter(sign))
    predicted = _network().predict(word) if len(word) <= LONGEST else []
    if len(word) > LONGEST or len(predicted) >= MOST_PREDICTED:
        raise UserError(f"word {word!r} is in no dictionary and too long to guess; write it in parts, with hyphens")
    predicted = [phone for phone in predicted if phone[0].isalpha()]
    phones = tuple("UW1" if phone == "UW" else phone for phone in predicted)
    return phones or tuple(phone for sign in word for phone in letter(sign))


def spelled(token: str) -> tuple[str, ...]:
    """Phones of a letter by its name, and of more than one of it: `A`, `U's`."""
    name = letter(token[0].lower())
    return _possessive(name, said=True) if token.endswith("'s") else name


def _possessive(stem: tuple[str, ...], said: bool) -> tuple[str, ...]:
    if not said:
        return stem
    if stem[-1] in ("S", "Z", "SH", "ZH", "CH", "JH"):
        return (*stem, "IH0", "Z")
    return (*stem, "S" if stem[-1] in ("P", "T", "K", "F", "TH") else "Z")


def _starts_with_vowel(word: str) -> bool:
    return word != PAUSE and (spelled(word) if is_letter(word) else pronounce(word))[0][-1].isdigit()


@cache
def _network():
    """g2p-en, kept from fetching anything: its import looks for NLTK data and downloads it."""
    import nltk

    with mock.patch.object(nltk, "download"), mock.patch.object(nltk.data, "find"):
        import g2p_en.g2p as module
    # NLTK's copy of the dictionary is not there; its tagger is not used.
    with mock.patch.object(module, "cmudict", SimpleNamespace(dict=dict)):
        return module.G2p()
