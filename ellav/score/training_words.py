"""The words of a training set, with our pronunciations, for transcribers that want a language model of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ellav.data.kaldi import some_rows
from ellav.data.language_model import write_language_model
from ellav.errors import UserError

MOST = 100_000
"""Sentences that are counted, evenly over the set: the language model of a larger one does not grow with it."""


def model_words(phones: Path, folder: Path, order: int) -> None:
    """Write lm.arpa and lexicon.txt into `folder`. phones: of the training set, by stage 3; order: of the n-grams."""
    write_language_model(folder, sentences(phones), pronunciations(phones), order)


def sentences(phones: Path) -> Iterator[list[str]]:
    """The words of each utterance."""
    return (line.split() for _, line in some_rows(phones / "words", MOST))


def pronunciations(phones: Path) -> dict[str, list[str]]:
    """Word -> phones, as stage 3 has them at the word's first occurrence. Raises UserError where its tables do not hold
    the same utterances."""
    found: dict[str, list[str]] = {}
    tables = (some_rows(phones / name, MOST) for name in ("words", "phones", "word_of_phone"))
    try:
        for (key, spoken), (other, symbols), (third, places) in zip(*tables, strict=True):
            if not key == other == third:
                raise ValueError
            of_word: dict[int, list[str]] = {}
            for symbol, place in zip(symbols.split(), places.split(), strict=True):
                of_word.setdefault(int(place), []).append(symbol)
            for place, word in enumerate(spoken.split()):
                if place in of_word:
                    found.setdefault(word, of_word[place])
    except ValueError:
        raise UserError(f"{phones}: its tables do not fit together; rerun stage 3 (phones)") from None
    return found
