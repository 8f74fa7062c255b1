"""Text front ends: a sentence to words and phones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ellav.plugins.registry import Registry

LANGUAGE = re.compile(r"[A-Za-z0-9_-]{1,40}")
"""The name of a language, for example `en` or `pt-br`."""


@dataclass(frozen=True)
class Phones:
    """The phones of a sentence, with silence `sp` at both ends and at punctuation.

    phones: N symbols. word_of_phone: N indices into `words`, -1 for `sp`. words: the
    normalised words in order, upper-case or as the language has them.
    """

    phones: list[str]
    word_of_phone: list[int]
    words: list[str]


class TextFrontEnd(Protocol):
    """Turns text into phones. `phone_set` names the alphabet, as aligners declare it.

    It may also have `fallbacks(phone) -> list[str]`: the phones that may stand for one that a model
    has never seen, the nearest first, for example the same vowel with another stress.
    And `words_ahead: int`: a word is read as in the whole sentence once so many words behind it are known and have not
    changed its reading, with few exceptions. Text is then spoken while it is still being written
    (`ellav.infer.growing`), if the ordering can.
    """

    name: str
    phone_set: str
    """For example `arpabet-stress`, `ipa`, `characters`."""

    def __call__(self, text: str) -> Phones:
        """Phones of one sentence; raises UserError where nothing can be spoken."""


class TextFrontEndOfLanguages(TextFrontEnd, Protocol):
    """A front end of several languages; `__call__` reads a text as one of the first."""

    languages: tuple[str, ...]

    def in_language(self, text: str, language: str) -> Phones:
        """Phones of one sentence; raises UserError where nothing can be spoken, or for a language that it lacks."""


class TrainableTextFrontEnd(TextFrontEnd, Protocol):
    """A front end that learns from the text of the training set (`ellav fit-text`)."""

    def fit(self, sentences: list[str], folder: Path) -> dict[str, Path]:
        """Learn, write files into `folder`, and return the options that name them. sentences: 100,000 at most.

        An option of the type Path names a file that a packed model carries along. What was
        named in the options already is kept: then nothing is learned, and {} comes back.
        """


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

NAMES = ("g2p_en", "characters", "espeak", "sentencepiece", "lexicon", "pinyin", "by_language")
text = Registry("text", {name: f"ellav.plugins.text.{name}" for name in NAMES}, CONTRACT)
