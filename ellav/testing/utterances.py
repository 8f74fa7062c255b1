"""Random utterances for contract checks, and how a person reads them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ellav.types import NONE, SILENCE, Utterance, Vocabulary

PHONES = (SILENCE, "AA", "B", "S", "T")
CODEBOOK_SIZE = 16


def random_utterance(
    rng: np.random.Generator, codebook_size: int, codebooks: int, words: int | None = None
) -> Utterance:
    """Silence at both ends, zero-duration silences, equal neighbours, words of 1 to 3 phones.

    words: how many; 1 to 4 if left out.
    """
    phones, of_word = [0], [NONE]
    for word in range(words or rng.integers(1, 5)):
        for _ in range(rng.integers(1, 4)):
            phones.append(int(rng.integers(1, len(PHONES))))
            of_word.append(word)
        if rng.random() < 0.3:
            phones.append(0)
            of_word.append(NONE)
    if phones[-1] != 0:
        phones.append(0)
        of_word.append(NONE)
    phones = np.array(phones, np.int32)
    durations = rng.integers(1, 7, len(phones)).astype(np.int32)
    durations[phones == 0] = rng.integers(0, 9, (phones == 0).sum())
    codes = rng.integers(0, codebook_size, (durations.sum(), codebooks + 1)).astype(np.int16)
    owner = np.array(of_word, np.int32)
    for array in (phones, owner, durations, codes):
        array.flags.writeable = False  # a plugin that changes what it is given is found out
    return Utterance("random", "speaker", "en", phones, owner, durations, codes)


def longer(utterance: Utterance, phone: int, frame: int) -> Utterance:
    """The same up to `frame`, other codes from there on, and `phone` three frames longer."""
    durations = utterance.durations.copy()
    durations[phone] += 3
    codes = np.concatenate([utterance.codes, utterance.codes[-1:].repeat(3, axis=0)])
    codes[frame:] = (codes[frame:] + 1) % CODEBOOK_SIZE
    return replace(utterance, durations=durations, codes=codes)


def show(_ordering, utterance: Utterance, *cut: int) -> str:
    """A case of the ordering laws: phones, durations, and where the prompt ends."""
    phones = " ".join(PHONES[phone] for phone in utterance.phones[:30])
    after = f", prompt = its first {cut[0]} frames" if cut else ""
    if len(utterance.phones) > 30:
        return f"{len(utterance.phones)} phones in {utterance.frames} frames, {phones} ...{after}"
    return f"phones = {phones}, durations = {utterance.durations.tolist()}{after}"


def name_of(words: Vocabulary, id: int) -> str:
    """An id as a person reads it: `eos`, `codes[3]`."""
    for name, size in words.sizes.items():
        if words.start(name) <= id < words.start(name) + size:
            return name if size == 1 else f"{name}[{id - words.start(name)}]"
    return "nothing" if id == NONE else f"{id} (outside the vocabulary)"


def row_of(ordering, ids: np.ndarray | None) -> str:
    """A row of ids as a person reads it."""
    return "no row" if ids is None else " ".join(name_of(ordering.vocabulary, int(id)) for id in ids)
