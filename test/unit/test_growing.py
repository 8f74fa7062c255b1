"""Which words of a text that is still being written are certain, and the parts that it is spoken in."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.infer.chunks import LEVELS, sentences
from ellav.infer.growing import Grown, Sentence, growing_parts
from ellav.plugins.text import text as front_ends

G2P = front_ends.create("g2p_en")
LETTERS = front_ends.create("characters")
TEXT = (
    "The old sailor saw Dr. Smith at 3.5 p.m. today! What, the answer? It cost $5 million in 1990; nobody cared.\n\n"
    'He said "Go." ... Wait ... J. S. Bach read it, the end'
)


def parts(pieces, read=G2P, ahead=1, most=1000):
    """The parts as they are at last, and every state of them."""
    told = list(growing_parts(pieces, read, ahead, most))
    return [grown for grown in told if not grown.more], told


def cut(text, places):
    ends = sorted({0, len(text), *(place % len(text) for place in places)})
    return [text[a:b] for a, b in pairwise(ends)]


@pytest.mark.parametrize("front_end", [G2P, LETTERS], ids=["g2p_en", "characters"])
def test_parts_are_the_sentences_as_they_are_read_whole(front_end):
    text = TEXT if front_end is G2P else TEXT.replace("$", "")
    whole, told = parts([text], front_end, front_end.words_ahead)
    readable = [sentence for sentence in sentences([text]) if any(map(str.isalnum, sentence))]
    assert [grown.said for grown in whole] == [front_end(sentence) for sentence in readable]
    assert [grown.number for grown in whole] == list(range(len(readable)))
    assert {grown.pause for grown in told} == {LEVELS[0][1]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 10_000), max_size=60), st.integers(0, 2), st.sampled_from([20, 40, 1000]))
def test_pieces_may_be_cut_anywhere(places, ahead, most):
    whole, told = parts(cut(TEXT, places), G2P, ahead, most)
    assert whole == parts([TEXT], G2P, ahead, most)[0]
    last = None
    assert all("sp sp" not in " ".join(grown.said.phones) for grown in told)
    for grown in told:  # each begins the next one
        if last is not None and last.more:
            size = len(last.said.phones)
            assert grown.number == last.number and grown.said.phones[:size] == last.said.phones
            assert grown.said.word_of_phone[:size] == last.said.word_of_phone
        last = grown
    assert not last.more and all(len(grown.said.phones) <= most for grown in whole)


def test_a_word_is_given_out_when_the_next_one_shows_how_it_is_read():
    def pieces():
        for word in ("The", "apple", "fell", "on", "the"):
            asked.append(word)
            yield word + " "
        asked.append(None)

    asked, found = [], []
    for grown in growing_parts(pieces(), G2P, 1, 1000):
        found.append((asked[-1], " ".join(grown.said.words), grown.more))
    # "the" waits: before a vowel it is said otherwise.
    assert found == [
        ("fell", "THE APPLE", True),
        ("on", "THE APPLE FELL", True),
        ("the", "THE APPLE FELL ON", True),
        (None, "THE APPLE FELL ON THE", False),
    ]


class Changing:
    """A front end with words of one phone, which reads `b` as `d e` where `c` follows later."""

    def __call__(self, text):
        words = text.split()
        if not words or words == ["-"]:
            raise UserError("nothing")
        if "c" in words and "b" in words:
            at = words.index("b")
            words[at : at + 1] = ["d", "e"]
        phones = ["sp", *words, "sp"]
        return type(G2P("a"))(phones, [-1, *range(len(words)), -1], words)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a b x y c z", "a b x y c z"),  # what was said as `b` stays, and the rest is read by itself
        ("a b c z", "a d e c z"),
        ("b x y c b z", "b x y c d e z"),
        ("a b x y c", "a b x y c"),
        ("- b c x", "- d e c x"),  # what cannot be read yet is waited for
    ],
)
def test_what_was_said_stays_said(text, said):
    (whole,), _ = parts([text], Changing())
    assert " ".join(whole.said.words) == said


def test_what_cannot_be_read_is_told_when_its_sentence_has_ended():
    told = growing_parts(
        ["The old ", "sailor ", "\u041f\u0440\u0438\u0432\u0435\u0442 ", "is here. ", "So"], G2P, 1, 1000
    )
    assert next(told).said.words == ["THE", "OLD"]
    with pytest.raises(UserError, match="\u041f\u0440\u0438\u0432\u0435\u0442"):
        list(told)
    assert list(growing_parts(["... ", " "], G2P, 1, 1000)) == []
    with pytest.raises(UserError, match="must be strings, not int"):
        list(growing_parts(["A ", 1], G2P, 1, 1000))


def test_a_sentence_that_is_too_long_is_cut_at_a_pause_or_between_words():
    text = "one two three four five six, seven eight nine ten"
    whole, _ = parts([text], LETTERS, 0, 30)
    assert [" ".join(grown.said.words) for grown in whole] == ["one two three four five six", "seven eight nine ten"]
    assert [grown.pause for grown in whole] == [LEVELS[1][1], LEVELS[0][1]]
    whole, _ = parts([text.replace(",", "")], LETTERS, 0, 17)
    assert [grown.pause for grown in whole] == [0.0, 0.0, LEVELS[0][1]]
    assert all(isinstance(grown, Grown) and len(grown.said.phones) <= 17 for grown in whole)
    whole, _ = parts(["abcdefghij k"], LETTERS, 0, 4)  # one word stays whole
    assert [grown.said.words for grown in whole] == [["abcdefghij"], ["k"]]


def test_every_word_is_given_out_once():
    rng = np.random.default_rng(0)
    words = ["the", "read", "apple", "$5", "million", "10", "-", "12", "lead", "pipe,", "St.", "1990s", "a.m.", "U.S."]
    for _ in range(50):
        text = " ".join(rng.choice(words, 12))
        sentence, given_out = Sentence(G2P, 1), []
        for end in range(1, len(text)):
            given_out += sentence.grow(text[:end])
        given_out += sentence.end(text)
        assert len(given_out) >= len(G2P(text).words) - 3
