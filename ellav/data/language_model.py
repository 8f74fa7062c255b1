"""N-gram language models in ARPA format, for transcribers that need one of a corpus' own text."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from ellav.data.outputs import write_text
from ellav.errors import UserError

START, END = "<s>", "</s>"


def write_language_model(
    folder: Path, sentences: Iterable[Sequence[str]], pronunciations: dict[str, list[str]], order: int = 2
) -> Path:
    """Write `lm.arpa` and `lexicon.txt` into an existing folder; returns the former's path.

    sentences: words of each training text. pronunciations: word -> phones, for words that
    a transcriber's own dictionary may lack. Words are written in lower case.
    """
    lines = [f"{word.lower()} {' '.join(phones)}\n" for word, phones in sorted(pronunciations.items())]
    write_text(folder / "lexicon.txt", "".join(lines))
    write_text(folder / "lm.arpa", arpa(([word.lower() for word in sentence] for sentence in sentences), order))
    return folder / "lm.arpa"


def arpa(sentences: Iterable[Sequence[str]], order: int = 2) -> str:
    """An ARPA file's text: n-grams up to `order`, interpolated by Witten and Bell's method.

    p(w|h) = (c(h w) + t(h) p(w|h')) / (c(h) + t(h)), where t(h) counts the different words
    seen after h, and h' is h without its first word. Below the single words stands the even
    distribution over all words and the sentence's end.
    """
    counts, followers = count(sentences, order)
    words = sorted(followers[()])
    if words in ([], [END]):
        raise UserError("the text for the language model has no words")
    probability: dict[tuple[str, ...], float] = {}
    for length in range(1, order + 1):
        for history, after in followers.items():
            if len(history) != length - 1:
                continue
            total, kinds = sum(counts[(*history, word)] for word in after), len(after)
            for word in after:
                lower = probability[(*history[1:], word)] if history else 1 / len(words)
                probability[(*history, word)] = (counts[(*history, word)] + kinds * lower) / (total + kinds)

    def entry(gram: tuple[str, ...]) -> str:
        line = f"{math.log10(probability[gram]) if gram in probability else -99:.6f}\t{' '.join(gram)}"
        after = followers.get(gram) if len(gram) < order else None
        if after:
            total = sum(counts[(*gram, word)] for word in after)
            line += f"\t{math.log10(len(after) / (total + len(after))):.6f}"
        return line + "\n"

    parts = ["\\data\\\n"]
    grams = [sorted(g for g in probability if len(g) == length) for length in range(1, order + 1)]
    grams[0] = sorted([*grams[0], (START,)])  # never predicted, but its back-off weight is needed
    parts += [f"ngram {length}={len(found)}\n" for length, found in enumerate(grams, 1)]
    for length, found in enumerate(grams, 1):
        parts += [f"\n\\{length}-grams:\n", *map(entry, found)]
    return "".join([*parts, "\n\\end\\\n"])


def count(sentences: Iterable[Sequence[str]], order: int) -> tuple[Counter, dict[tuple, set[str]]]:
    """How often each n-gram occurs, and the set of words seen after each history."""
    counts: Counter = Counter()
    followers: dict[tuple, set[str]] = defaultdict(set)
    for sentence in sentences:
        tokens = [START, *sentence, END]
        for end in range(1, len(tokens)):
            for start in range(max(0, end - order + 1), end + 1):
                gram = tuple(tokens[start : end + 1])
                counts[gram] += 1
                followers[gram[:-1]].add(gram[-1])
    return counts, followers
