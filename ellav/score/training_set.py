"""What scoring takes from the training set: recordings of its speakers, and its words, with our pronunciations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ellav.data.folder_rows import originals, utterances
from ellav.data.kaldi import some_rows
from ellav.data.language_model import write_language_model
from ellav.data.outputs import need
from ellav.errors import UserError
from ellav.score.scoring import Item

MOST = 100_000
"""Utterances that scorers learn from and whose words a language model counts, evenly over the set: neither grows with a
larger one."""


def recordings_of(folders: list[Path], most: int = 10) -> list[Item]:
    """At most `most` recordings of each speaker, evenly over its utterances, without the copies that stage 2 made.

    The first folder is the training set. Of the others only the speakers that are not in it are taken,
    with one recording more, since the scored one is left out of its own comparison.
    """
    items: list[Item] = []
    known: set[str] = set()
    for folder in folders:
        counts = Counter(row["utt2spk"] for _, row in originals(folder))
        if not counts:
            raise UserError(f"{folder}: no utterances")
        wanted = most + bool(known)
        places = {
            speaker: set(np.linspace(0, count - 1, min(wanted, count)).round().astype(int).tolist())
            for speaker, count in counts.items()
            if speaker not in known
        }
        chosen: dict[str, list[Item]] = {speaker: [] for speaker in places}
        seen: Counter[str] = Counter()
        for id, row in originals(folder):
            speaker = row["utt2spk"]
            if seen[speaker] in places.get(speaker, ()):
                chosen[speaker].append(Item(folder.name, id, speaker, "", row["wav.scp"]))
            seen[speaker] += 1
        items += [item for of_speaker in chosen.values() for item in of_speaker]
        known |= counts.keys()
    return items


def training_recordings(raw: Path, phones: Path) -> list[Item]:
    """Recordings that stage 3 has phones of, MOST of them, evenly over the set, in a random order.

    raw, phones: the training set's folders.
    """
    symbols = dict(some_rows(need(phones / "phones", "3 (phones and alignment)"), MOST))
    rows = {id: row for id, row in utterances(raw) if id in symbols}
    ids = list(rows)
    chosen = (ids[place] for place in np.random.default_rng(0).permutation(len(ids)))
    return [Item(raw.name, id, rows[id]["utt2spk"], "", rows[id]["wav.scp"], phones=symbols[id]) for id in chosen]


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
