"""The laws of the text contract: what stands where in the phones of a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from ellav.errors import UserError
from ellav.plugins.registry import registry
from ellav.plugins.text import Phones, TextFrontEnd
from ellav.testing.contract import METHOD, Group, demand, has, is_count, keep_laws, law
from ellav.testing.learning import learns
from ellav.types import SILENCE

SENTENCES = (
    "Hello, my friend!",
    "The old king sold 3 green boats, and then he slept.",
    "Guten Tag, wie geht es Ihnen?",
    "Bonjour, ça va bien ?",
    "Привет, как дела?",
    "Καλημέρα, τι κάνεις;",
    "你好,世界。",
    "こんにちは、世界。",
    "안녕하세요, 세계.",
    "مرحبا، كيف حالك؟",
    "नमस्ते, आप कैसे हैं?",
)
"""A front end need not know them all."""


def check_text(front_end: TextFrontEnd, sentences: Sequence[str] = SENTENCES, cases: int = 60, seed: int = 0) -> None:
    """Try every promise of a text front end on `sentences` and on mixtures of their words.

    Raises ContractError with the smallest counter-example.
    """
    keep_laws(text_laws(front_end, sentences, cases, seed))


def text_laws(
    front_end: TextFrontEnd, sentences: Sequence[str] = SENTENCES, cases: int = 60, seed: int = 0
) -> Iterator[Group]:
    """The laws in groups that build on one another; sentences go from short to long."""
    yield [attributes], [(front_end,)]
    yield [speaks_something], [(front_end, tuple(sentences))]
    known = [sentence for sentence in sentences if _spoken(front_end, sentence) is not None]
    tried = sorted({*known, *mixtures(known, cases, seed)}, key=len)
    yield [refuses_in_words], [(front_end, text) for text in ("", " ", "...", "?!", "\n", *sentences, *tried)]
    yield [parts_fit], [(front_end, text) for text in tried]
    yield (
        [silence_at_ends, words_in_order, plain_symbols, fallbacks_are_others, repeatable],
        [(front_end, text) for text in tried],
    )


def laws_on_sentences(
    name: str, conf: dict, sentences: Sequence[str] = SENTENCES, cases: int = 60, seed: int = 0
) -> Iterator[Group]:
    """The laws of the registered front end `name`; if it learns, it learns from `sentences` first."""
    known = registry("text")
    front_end = known.create(name, conf)
    with TemporaryDirectory() as folder:
        if hasattr(front_end, "fit"):
            learned: dict[str, str] = {}
            yield [learns], [(known, name, conf, list(sentences), Path(folder), learned)]
            front_end = known.create(name, conf | learned)
        yield from text_laws(front_end, sentences, cases, seed)


def mixtures(sentences: Sequence[str], cases: int, seed: int) -> list[str]:
    """Random texts of the sentences' words, with punctuation and doubled words between them."""
    rng = np.random.default_rng(seed)
    words = [word for sentence in sentences for word in sentence.split()]
    made = []
    for case in range(cases):
        chosen = [words[i] for i in rng.integers(0, len(words), 1 + case // 6)]
        between = rng.choice([" ", ", ", " - ", "  ", "; ", " ... "], len(chosen))
        made.append("".join(map("".join, zip(chosen, between, strict=True))))
    return made


def _show(_front_end: TextFrontEnd, text: str | tuple[str, ...]) -> str:
    return f"text = {text!r}" if isinstance(text, str) else f"{len(text)} sentences, the first {text[0]!r}"


def _spoken(front_end: TextFrontEnd, text: str) -> Phones | None:
    """The phones, or None where the text is refused as it should be."""
    try:
        return front_end(text)
    except UserError:
        return None


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(front_end: TextFrontEnd) -> None:
    """The name of the alphabet."""
    fits = (lambda value: isinstance(value, str) and bool(value.strip()), "the name of its alphabet, a string")
    has(front_end, phone_set=fits, __call__=METHOD)
    if hasattr(front_end, "words_ahead"):
        has(front_end, words_ahead=(lambda value: is_count(value, 0), "a number of words, at least 0"))


@law(
    "it speaks something",
    "Name a file with sentences of its language (`--sentences FILE`), or see why it refuses them.",
    _show,
)
def speaks_something(front_end: TextFrontEnd, sentences: tuple[str, ...]) -> None:
    """At least one of the sentences is spoken."""
    reasons = []
    for sentence in sentences:
        try:
            front_end(sentence)
            return
        except UserError as error:
            reasons.append(str(error))
    demand(False, f"all are refused, the first because: {reasons[0]}")


@law(
    "what cannot be spoken is refused with a UserError",
    "Raise ellav.errors.UserError that says what is wrong, where a text holds nothing to speak or a foreign letter.",
    _show,
)
def refuses_in_words(front_end: TextFrontEnd, text: str) -> None:
    """Phones or UserError, nothing else; and no phones for a text without letters."""
    made = _spoken(front_end, text)
    demand(
        made is None or any(character.isalnum() for character in text),
        f"a text without a letter gives {getattr(made, 'phones', made)}",
    )


@law(
    "phones, words and word_of_phone fit together",
    "Return Phones with one entry of `word_of_phone` for each phone: an index into `words`, or -1 for `sp`.",
    _show,
)
def parts_fit(front_end: TextFrontEnd, text: str) -> None:
    """Kinds and lengths of a Phones."""
    made = _spoken(front_end, text)
    if made is None:
        return
    demand(isinstance(made, Phones), f"a {type(made).__name__} comes back")
    for name in ("phones", "word_of_phone", "words"):
        demand(isinstance(getattr(made, name), list), f"`{name}` is a {type(getattr(made, name)).__name__}, not a list")
    demand(
        len(made.phones) == len(made.word_of_phone),
        f"{len(made.phones)} phones, but {len(made.word_of_phone)} entries in word_of_phone",
    )
    demand(len(made.words) > 0, "there is no word; a text without one must be refused")


@law(
    "silence stands at both ends, and never twice in a row",
    "Begin and end the phones with `sp`, and add one at punctuation only where the phone before it is another.",
    _show,
)
def silence_at_ends(front_end: TextFrontEnd, text: str) -> None:
    """`sp` first and last, no two neighbours."""
    made = _spoken(front_end, text)
    if made is None:
        return
    demand(made.phones[0] == SILENCE, f"the first phone is {made.phones[0]!r}")
    demand(made.phones[-1] == SILENCE, f"the last phone is {made.phones[-1]!r}")
    twice = [place for place, (a, b) in enumerate(pairwise(made.phones)) if a == b == SILENCE]
    demand(not twice, f"phones {twice} and the next are both silence")


@law(
    "every word has its phones, in order",
    "Count words from 0 in the order of `words`, give each at least one phone, and -1 to `sp` alone.",
    _show,
)
def words_in_order(front_end: TextFrontEnd, text: str) -> None:
    """The words of the phones that are not silence are 0, 1, 2 ... without a gap."""
    made = _spoken(front_end, text)
    if made is None:
        return
    for phone, word in zip(made.phones, made.word_of_phone, strict=True):
        demand((phone == SILENCE) == (word == -1), f"phone {phone!r} is said to be of word {word}")
    order = [word for word in made.word_of_phone if word != -1]
    steps = [b - a for a, b in pairwise(order)]
    whole = order[0] == 0 and order[-1] == len(made.words) - 1 and all(step in (0, 1) for step in steps)
    demand(whole, f"the phones' words are {order}, for {len(made.words)} words")


@law(
    "phones and words are strings without blanks",
    "Files separate phones and words by blanks: replace or remove them inside a symbol.",
    _show,
)
def plain_symbols(front_end: TextFrontEnd, text: str) -> None:
    """What `split` gives back as it was."""
    made = _spoken(front_end, text)
    for symbol in [*made.phones, *made.words] if made else []:
        demand(isinstance(symbol, str) and symbol.split() == [symbol], f"{symbol!r} is not")


@law(
    "the fallbacks of a phone are other phones",
    "Let `fallbacks(phone)` return a list of strings, nearest first, each once, without the phone itself and `sp`.",
    _show,
)
def fallbacks_are_others(front_end: TextFrontEnd, text: str) -> None:
    """Where the front end has any."""
    made = _spoken(front_end, text)
    if made is None or not hasattr(front_end, "fallbacks"):
        return
    for phone in made.phones:
        found = front_end.fallbacks(phone)
        plain = isinstance(found, list) and all(isinstance(one, str) and one.split() == [one] for one in found)
        demand(plain, f"those of {phone!r} are {found!r}")
        demand(len({*found, phone, SILENCE}) == len(found) + 1 + (phone != SILENCE), f"those of {phone!r} are {found}")


@law(
    "a sentence always has the same phones",
    "Keep nothing between calls that changes the result, and draw no random numbers.",
    _show,
)
def repeatable(front_end: TextFrontEnd, text: str) -> None:
    """The same again, with another sentence in between."""
    first = _spoken(front_end, text)
    _spoken(front_end, " ".join(reversed(text.split())))
    demand(first == _spoken(front_end, text), "the second time it gives others")
