"""Pronunciations from a dictionary: Kaldi's lexicon.txt and lexiconp.txt, MFA's, or CMU's."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

from ellav.config import paths
from ellav.errors import UserError
from ellav.plugins.text import Phones, text
from ellav.plugins.text.english import PAUSE
from ellav.plugins.text.sentence import assemble, cut
from ellav.text_files import read_text
from ellav.types import SILENCE

NUMBER = re.compile(r"\d+(\.\d*)?(e-?\d+)?|\.\d+", re.I)
VARIANT = re.compile(r"(.+)\(\d+\)")
COMMENT = ";;;"
MOST_BYTES = 100_000_000
"""Of a lexicon: some three million words."""


@text.register("lexicon")
class Lexicon:
    """Words and their phones from the file `lexicon`; of several pronunciations the first.

    Lines are a word and its phones, between them any number of probabilities; tabs or spaces.
    phone_set: what these phones are, for example `arpabet` for the aligner pocketsphinx.
    fallback, fallback_conf: the text plugin that speaks the words that are not there, with
    the same phone set; without one such sentences are refused.
    """

    words_ahead = 0

    def __init__(
        self, lexicon: Path, phone_set: str = "lexicon", fallback: str | None = None, fallback_conf: dict | None = None
    ):
        self.path, self.phone_set = lexicon, phone_set
        self.words = read_lexicon(lexicon)
        self.folded: dict[str, list[str]] = {}
        for word, phones in self.words.items():
            self.folded.setdefault(word.casefold(), phones)
        self.fallback = None
        if not fallback:
            return
        if files := paths(text.get(fallback)):
            raise UserError(f"text lexicon: {fallback} cannot be the fallback: it has a file of its own ({files[0]})")
        self.fallback = text.create(fallback, fallback_conf)
        if self.fallback.phone_set != phone_set:
            raise UserError(
                f"text lexicon: its phones are of the set {phone_set!r}, those of fallback {fallback} of"
                f" {self.fallback.phone_set!r}; choose another fallback, or name the set with --text-conf phone_set="
            )

    def __call__(self, text: str) -> Phones:
        """Phones with `sp` at both ends and at punctuation; words as written.

        Raises UserError naming the first word that has no pronunciation.
        """
        return assemble(text, ((token, () if token == PAUSE else self.pronounce(token)) for token in cut(text)))

    def pronounce(self, word: str) -> list[str]:
        """The phones of a word, its upper and lower case alike where the file has only one."""
        found = self.words.get(word) or self.folded.get(word.casefold())
        if found:
            return found
        if self.fallback is None:
            raise UserError(
                f"word {word!r} is not in {self.path}; add it, or name a plugin for such words with"
                " --text-conf fallback=NAME"
            )
        return [phone for phone in self.fallback(word).phones if phone != SILENCE]


def read_lexicon(path: Path) -> dict[str, list[str]]:
    """Word -> phones of its first pronunciation. Raises UserError naming file and line."""
    try:
        content = read_text(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: no lexicon that can be read: {error}") from None
    rows = [
        (number, line.split())
        for number, line in enumerate(unicodedata.normalize("NFC", content).split("\n"), 1)
        if line.strip() and not line.startswith(COMMENT)
    ]
    # A whole number is a probability where every line has one (`1`), else a phone (a tone).
    shared = min((_leading(fields[1:]) for _, fields in rows), default=0)
    words: dict[str, list[str]] = {}
    for number, (word, *fields) in rows:
        first = shared
        while first < len(fields) and "." in fields[first] and NUMBER.fullmatch(fields[first]):
            first += 1
        phones = fields[first:]
        if not phones:
            raise UserError(f"{path}:{number}: {word!r} has no phones")
        if SILENCE in phones:
            raise UserError(f"{path}:{number}: {SILENCE!r} stands for silence here; give that phone another name")
        variant = VARIANT.fullmatch(word)
        words.setdefault(variant[1] if variant else word, phones)
    if not words:
        raise UserError(f"{path}: no pronunciations in it")
    return words


def _leading(fields: list[str]) -> int:
    """How many numbers stand in front, leaving at least one phone."""
    count = 0
    while count < len(fields) - 1 and NUMBER.fullmatch(fields[count]):
        count += 1
    return count
