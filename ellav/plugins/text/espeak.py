"""About a hundred languages through eSpeak NG, as IPA."""

from __future__ import annotations

import ctypes
import ctypes.util
import re
import unicodedata
from difflib import SequenceMatcher
from functools import cache, lru_cache
from typing import Literal

from ellav.errors import UserError
from ellav.plugins.text import Phones, text
from ellav.plugins.text.english import PAUSE, is_letter, spoken
from ellav.plugins.text.espeak_mandarin import in_ipa, other_tones
from ellav.plugins.text.mandarin import words as mandarin_words
from ellav.plugins.text.nemo import Nemo
from ellav.plugins.text.scripts import first_foreign, scripts_of
from ellav.plugins.text.sentence import assemble, cut, is_sign

SYNCHRONOUS, DONT_EXIT = 2, 0x8000
UTF8 = 1
IPA, MNEMONICS = 0x02 | ord("_") << 8, ord("_") << 8
"""Phones in IPA, or as eSpeak's own files write them, with `_` between them."""
MANDARIN = ("cmn", "zh")
VOICE = re.compile(r"(?!mb[-/])[\w+-]+(/[\w+-]+)*", re.ASCII)
"""eSpeak NG takes a path for a language too, and runs the program mbrola for `mb-us1`: a model that names either may
be a stranger's."""
LANGUAGE_SWITCH = re.compile(r"\([a-z0-9-]+\)")
STRESS, LENGTH = "ˈˌ", "ːˑ"
NEAREST_STRESS = {"": ("ˌ", "ˈ"), "ˈ": ("ˌ", ""), "ˌ": ("ˈ", "")}
MINUS = "−"
MONEY_FIRST = re.compile(r"([$£€¥₹])\s?(\d[\d.,]*\d|\d)")


@text.register("espeak")
class Espeak:
    """Text in `language` to IPA.

    language: as `espeak-ng --voices` names it, for example `de`, `fr`, `cmn`. stress: keep the
    stress marks, on the phone they stand before (`ˈɛ`). length: keep the marks of length (`iː`).
    normalizer: who puts numbers, abbreviations and signs into words: `ellav` (ours for English, eSpeak NG itself for
    other languages), `nemo` (the grammars of nemo_text_processing, the extra `nemo`) with those for what it leaves, or
    `espeak` (always eSpeak NG itself).
    Mandarin (`cmn`) is cut into words by the extra `mandarin`, and its vowels bear their tones as levels of the voice,
    `ɑ51` falling from 5 to 1; eSpeak's own IPA writes the first and the fourth alike. Stress is not written there.
    The library comes with the extra `espeak`, or from the system (libespeak-ng).
    """

    def __init__(
        self,
        language: str,
        stress: bool = True,
        length: bool = True,
        normalizer: Literal["ellav", "nemo", "espeak"] = "ellav",
    ):
        self.language = language
        self.phone_set = "ipa-stress" if stress else "ipa"
        self.dropped = str.maketrans("", "", ("" if stress else STRESS) + ("" if length else LENGTH))
        choose(language)
        self.nemo = Nemo(language) if normalizer == "nemo" else None
        self.is_english = language.partition("-")[0] == "en" and normalizer != "espeak"
        self.is_mandarin = language.partition("-")[0] in MANDARIN
        self.scripts = scripts_of(language)

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation; words as written, in English as they are said.

        Raises UserError where eSpeak finds nothing to say, or has no reading for a sign.
        """
        pairs, clause = [], []
        for token in [*self._tokens(text), PAUSE]:
            if token != PAUSE:
                clause.append(token)
                continue
            for word, phones in zip(clause, self._say(clause), strict=True):
                pairs.append((word, [kept for phone in phones if (kept := phone.translate(self.dropped))]))
            pairs.append((PAUSE, ()))
            clause = []
        return assemble(text, pairs)

    def fallbacks(self, phone: str) -> list[str]:
        """The same phone with another stress, then of another length, then both, the nearest first.

        Secondary stress lies between primary and none, nearer to primary; a mark of length comes and goes. In Mandarin
        the same vowel in another tone.
        """
        if self.is_mandarin:
            return other_tones(phone)
        stress = phone[:1] if phone[:1] in STRESS else ""
        plain = phone.removeprefix(stress)
        short = plain.translate(str.maketrans("", "", LENGTH))
        lengths = [plain, *(made for made in (short, short + LENGTH[0]) if made != plain)]
        stresses = [stress, *NEAREST_STRESS[stress]]
        return [mark + base for base in lengths for mark in stresses][1:]

    def _tokens(self, text: str) -> list[str]:
        if self.nemo:
            text = self.nemo(text)
        if self.is_english:
            return spoken(text)
        if self.is_mandarin:
            return mandarin_words(text)
        tokens = self._with_minus(cut(MONEY_FIRST.sub(r"\2 \1", text)))  # 5 €, as it is said
        for token in tokens:
            # Besides signs, numbers that are one character: ½, ².
            for sign in [token] if is_sign(token) else [char for char in token if unicodedata.category(char) == "No"]:
                if not _reads(self.language, sign):
                    named = sign[0] if sign[0] in text else "-" if sign[0] == MINUS else MINUS
                    raise UserError(
                        f"text {text!r}: eSpeak NG has no reading for {named!r} in {self.language!r}; write it in"
                        " words or remove it"
                    )
            foreign = first_foreign(token, self.scripts)
            if foreign is not None and token != PAUSE:
                raise UserError(
                    f"text {text!r}: {foreign[0]!r} ({foreign[1]}) is not in letters of {self.language!r}; write it as"
                    " it is said in that language, or remove it"
                )
        return tokens

    def _with_minus(self, tokens: list[str]) -> list[str]:
        """`-5` as `−`, `5` where the hyphen would be lost behind the token before, as it is behind some numbers."""
        kept: list[str] = []
        for before, token in zip([PAUSE, *tokens], tokens, strict=False):
            if token[0] == "-" and before != PAUSE:
                phones = list(_alone(self.language, token))
                if transcribe(self.language, f"{before} {token}")[-len(phones) :] != phones:
                    kept += [MINUS, token[1:]]
                    continue
            kept.append(token)
        return kept

    def _say(self, clause: list[str]) -> list[list[str]]:
        if self.is_mandarin:
            return [list(_in_mandarin(self.language, word)) for word in clause]
        said = say(self.language, clause)
        if self.is_english:  # between words eSpeak takes A for the article
            return [list(_alone(self.language, w)) if is_letter(w) else p for w, p in zip(clause, said, strict=True)]
        return said


def say(language: str, words: list[str]) -> list[list[str]]:
    """The phones of each of the words of a clause, as they are said beside each other.

    eSpeak writes some words as one (`of the`) and some as several (`42`), so its phones are
    given to the words by matching them with those of each word alone.
    """
    alone = [_alone(language, word) for word in words]
    said = transcribe(language, " ".join(words))
    owners = [word for word, phones in enumerate(alone) for _ in phones]
    matcher = SequenceMatcher(None, [phone for phones in alone for phone in phones], said, autojunk=False)
    together: list[list[str]] = [[] for _ in words]
    for _, first, last, start, end in matcher.get_opcodes() if owners else ():
        for place in range(start, end):
            # A phone that no word has alone, such as a linking r, goes to the word before.
            nearest = first + (place - start) * (last - first) // (end - start) if last > first else max(first - 1, 0)
            together[owners[nearest]].append(said[place])
    if any(bool(a) != bool(b) for a, b in zip(alone, together, strict=True)):
        return [list(phones) for phones in alone]
    return together


def transcribe(language: str, words: str) -> list[str]:
    """IPA phones of words without punctuation."""
    phones = re.split(r"[_\s-]+", LANGUAGE_SWITCH.sub("", _ipa(language, words)))
    return [phone for phone in phones if phone.strip(STRESS + LENGTH)]


def _ipa(language: str, words: str, form: int = IPA) -> str:
    """What eSpeak writes for words, with `(en)` and `(es)` where it changes to another language and back."""
    library = choose(language)
    buffer = ctypes.create_string_buffer(words.encode())
    rest = ctypes.c_char_p(ctypes.addressof(buffer))
    clauses = []
    while rest.value is not None:
        clauses.append((library.espeak_TextToPhonemes(ctypes.byref(rest), UTF8, form) or b"").decode())
    return " ".join(clauses)


@lru_cache(maxsize=10_000)
def _reads(language: str, token: str) -> bool:
    """Whether eSpeak says the sign that `token` begins with, and in `language`.

    It passes over signs that it does not know at all, and says in English those that only its English knows.
    """
    said, rest = (_ipa(language, part) if part else "" for part in (token, token[1:]))
    if len(LANGUAGE_SWITCH.findall(said)) > len(LANGUAGE_SWITCH.findall(rest)):
        return False
    return _alone(language, token) != (_alone(language, token[1:]) if token[1:] else ())


@lru_cache(maxsize=100_000)
def _alone(language: str, word: str) -> tuple[str, ...]:
    return tuple(transcribe(language, word))


@lru_cache(maxsize=100_000)
def _in_mandarin(language: str, word: str) -> tuple[str, ...]:
    return tuple(in_ipa(word, lambda part: _ipa(language, part, MNEMONICS)))


def choose(language: str) -> ctypes.CDLL:
    """The library, set to `language`; raises UserError where either is not there."""
    if not VOICE.fullmatch(language):
        raise UserError(f"text espeak: {language!r} is no language; see `espeak-ng --voices`")
    library = _library()
    if language != _chosen.get("language"):
        _chosen.clear()
        if library.espeak_SetVoiceByName(language.encode()) != 0:
            raise UserError(f"text espeak: eSpeak NG has no language {language!r}; see `espeak-ng --voices`")
        _chosen["language"] = language
    return library


_chosen: dict[str, str] = {}
"""The language the library is set to: one for the whole process."""


@cache
def _library() -> ctypes.CDLL:
    try:
        import espeakng_loader

        path, data = espeakng_loader.get_library_path(), espeakng_loader.get_data_path().encode()
    except ModuleNotFoundError:
        path, data = ctypes.util.find_library("espeak-ng"), None
    try:
        library = ctypes.CDLL(path) if path else None
    except OSError:
        library = None
    if library is None:
        raise UserError(
            "text espeak: eSpeak NG is not there; install the extra espeak (pip install 'ellav[espeak]')"
            " or your system's libespeak-ng"
        )
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    if library.espeak_Initialize(SYNCHRONOUS, 0, data, DONT_EXIT) < 0:
        raise UserError(f"text espeak: {path} does not start; its espeak-ng-data is missing or of another version")
    return library
