"""English with the CMU dictionary and g2p-en's network for the words it lacks. Offline."""

from __future__ import annotations

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Literal
from unittest import mock

from ellav.errors import UserError
from ellav.plugins.text import Phones, text
from ellav.plugins.text.dictionary import dictionary as _dictionary
from ellav.plugins.text.dictionary import letter as _letter
from ellav.plugins.text.english import PAUSE, is_letter, spoken
from ellav.plugins.text.nemo import Nemo
from ellav.types import SILENCE

# fmt: off
BEFORE_VERB = {"i", "you", "we", "they", "he", "she", "it", "who", "to", "not", "will", "would", "can", "could", "may",
               "might", "must", "shall", "should", "do", "does", "did", "don't", "doesn't", "didn't", "won't", "can't",
               "couldn't", "wouldn't", "shouldn't", "let", "please"}
BEFORE_PARTICIPLE = {"have", "has", "had", "having", "was", "were", "is", "are", "been", "be", "being", "i've",
                     "you've", "we've", "they've"}
DETERMINERS = {"a", "an", "the", "this", "that", "these", "those", "my", "your", "his", "her", "its", "our", "their",
               "some", "any", "no", "every", "each"}
# fmt: on
PAST = {"yesterday", "ago", "last", "already"}
FIXED = {
    "a": ("AH0",),
    "o'clock": ("AH0", "K", "L", "AA1", "K"),
    "n": ("AH0", "N"),
    "pm": ("P", "IY1", "EH1", "M"),
    "am": ("AE1", "M"),
    "et": ("EH1", "T"),
    "cetera": ("S", "EH1", "T", "ER0", "AH0"),
}
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

    def __init__(self, stress: bool = True, normalizer: Literal["ellav", "nemo"] = "ellav"):
        self.stress = stress
        self.nemo = Nemo("en") if normalizer == "nemo" else None
        self.phone_set = "arpabet-stress" if stress else "arpabet"

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation. Words are upper-case.

        Raises UserError where `text` holds nothing that can be spoken, or something that cannot.
        """
        tokens = spoken(self.nemo(text) if self.nemo else text)
        phones, word_of_phone, words = [SILENCE], [-1], []
        for place, token in enumerate(tokens):
            if token == PAUSE:
                if phones[-1] != SILENCE:
                    phones.append(SILENCE)
                    word_of_phone.append(-1)
                continue
            if is_letter(token):
                found = spelled(token)
            else:
                found = pronounce(token, is_verb(tokens, place) if token in _homographs() else None)
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


@cache
def pronounce(word: str, verb: bool | None = None) -> tuple[str, ...]:
    """Phones with stress of a lower-case word. verb: which of a homograph's two readings.

    Raises UserError for a word that no dictionary has and that is too long for the network.
    """
    homographs = _homographs()
    if word in homographs:
        as_verb, otherwise = homographs[word]
        return as_verb if verb else otherwise
    if word in FIXED:
        return FIXED[word]
    if word in _dictionary():
        return _dictionary()[word]
    stem = re.fullmatch(r"(.+?)(?:'s|s'|')", word)
    if stem and stem[1] != word:
        return _possessive(pronounce(stem[1] if not word.endswith("s'") else stem[1] + "s"), word.endswith("'s"))
    word = word.replace("'", "")
    if word in _dictionary():
        return _dictionary()[word]
    if len(word) == 1 or not re.search("[aeiouy]", word):
        return tuple(phone for letter in word for phone in _letter(letter))
    predicted = _network().predict(word) if len(word) <= LONGEST else []
    if len(word) > LONGEST or len(predicted) >= MOST_PREDICTED:
        raise UserError(f"word {word!r} is in no dictionary and too long to guess; write it in parts, with hyphens")
    predicted = [phone for phone in predicted if phone[0].isalpha()]
    phones = tuple("UW1" if phone == "UW" else phone for phone in predicted)
    return phones or tuple(phone for letter in word for phone in _letter(letter))


def spelled(token: str) -> tuple[str, ...]:
    """Phones of a letter by its name, and of more than one of it: `A`, `U's`."""
    name = _letter(token[0].lower())
    return _possessive(name, said=True) if token.endswith("'s") else name


def is_verb(tokens: list[str], place: int) -> bool:
    """A guess from the word before: whether a homograph such as `record` is a verb here.

    For `read` it says whether it is in the past (`red`).
    """
    before = tokens[place - 1] if place else ""
    if tokens[place] == "read":
        return before in BEFORE_PARTICIPLE or bool(PAST & set(tokens))
    if tokens[place] == "used":
        return tokens[place + 1 : place + 2] != ["to"]
    if before in ("", PAUSE):
        return tokens[place + 1 : place + 2] != [] and tokens[place + 1] in DETERMINERS  # close the door
    return before in BEFORE_VERB or (tokens[place].endswith("ed") and before in BEFORE_PARTICIPLE)


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


@cache
def _homographs() -> dict[str, tuple[tuple[str, ...], tuple[str, ...]]]:
    """Word -> (pronunciation as a verb, otherwise), from the list that g2p-en carries."""
    folder = find_spec("g2p_en").submodule_search_locations[0]  # importing it takes seconds
    found = {}
    for line in (Path(folder) / "homographs.en").read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            word, first, second, tag = line.strip().split("|")
            readings = tuple(first.split()), tuple(second.split())
            found[word.lower()] = readings[::-1] if tag in ("N", "ADJ") else readings
    found["read"] = (("R", "EH1", "D"), ("R", "IY1", "D"))
    return found
