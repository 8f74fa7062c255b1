"""Long texts in parts."""

import re

import pytest

from ellav.errors import UserError
from ellav.infer.chunks import sentences, split


def words(text):
    return len(re.findall(r"\w+", text))


def test_what_fits_stays_whole():
    assert [c.text for c in split("One two. Three!", words, 3)] == ["One two. Three!"]


@pytest.mark.parametrize(
    ("text", "most", "parts"),
    [
        ("One two three. Four five! Six?", 3, ["One two three.", "Four five! Six?"]),
        ("I saw Dr. Smith there. He ran.", 5, ["I saw Dr. Smith there.", "He ran."]),
        ('"Go on," she said. "Now!" He went home.', 4, ['"Go on," she said.', '"Now!" He went home.']),
        ("one two three, four five six", 4, ["one two three,", "four five six"]),
        ("one two three four five six", 4, ["one two three", "four five six"]),
        ("enormous", 0, ["enormous"]),
        ("Hi there ... !!! ??? Bye now then.", 3, ["Hi there ... !!! ???", "Bye now then."]),
        (
            "It costs 3.5 or 4,000 in all. Take it or leave it.",
            9,
            ["It costs 3.5 or 4,000 in all.", "Take it or leave it."],
        ),
        ("第一句。第二句。", 1, ["第一句。", "第二句。"]),
        ("First paragraph\n\nsecond paragraph", 2, ["First paragraph", "second paragraph"]),
    ],
)
def test_cuts_are_at_the_best_places(text, most, parts):
    assert [c.text for c in split(text, words, most)] == parts


@pytest.mark.parametrize(
    "text",
    [
        "Ask Ms. Brown. She knows.",
        "See Mt. Everest. It is high.",
        "Take fruit, e.g. Apples. They help.",
        "On Sept. 5 it rained. We left.",
        "It was cats vs. Dogs then. We left.",
        "Prof. Green met J. R. Hill. They left.",
        "The U.S. Army came. We left.",
        "See No. 5 there. We left.",
        "Er kam z. B. gestern. Wir gingen.",
    ],
)
def test_the_full_stop_of_an_abbreviation_is_no_place_to_cut(text):
    most = words(text) - 2
    first, second = text[: text.rindex(". ") + 1], text[text.rindex(". ") + 2 :]
    assert [(c.text, c.pause) for c in split(text, words, most)] == [(first, 0.4), (second, 0.0)]


def test_a_sentence_may_end_with_no_and_at_night():
    cut = split("I said no. Then I left at 7 p.m. You slept.", words, 7)
    assert [(c.text, c.pause) for c in cut] == [
        ("I said no.", 0.4),
        ("Then I left at 7 p.m.", 0.4),
        ("You slept.", 0.0),
    ]
    typed = split("i said no. then i left.", words, 4)
    assert [c.text for c in typed] == ["i said no.", "then i left."]


def test_pauses_tell_sentences_from_commas_from_words():
    cut = split("One two. Three four, five six seven eight", words, 2)
    assert [c.text for c in cut] == ["One two.", "Three four,", "five six", "seven eight"]
    assert cut[0].pause > cut[1].pause > cut[2].pause == cut[3].pause == 0


@pytest.mark.parametrize("most", [1, 5, 17, 40, 299])
def test_nothing_is_lost_and_nothing_is_too_long(most):
    sentences = [" ".join(f"w{i}x{j}" for j in range(3 + i % 11)) for i in range(35)]
    text = ", ".join(sentences[:10]) + ". " + ". ".join(sentences[10:]) + "."
    cut = split(text, words, most)
    assert " ".join(c.text for c in cut) == text
    assert max(words(c.text) for c in cut) <= most
    even = words(text) / most
    assert len(cut) <= 2 * even + 1


SENTENCES = [
    "One two. ",
    "I saw Dr. Smith at 3.5 p.m. today! ",
    "What?! ",
    'He said "Go." ',
    "Wait ... ",
    "J. S. Bach wrote it. ",
    "The end",
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_sentences_of_pieces_do_not_depend_on_where_they_were_cut(size):
    text = "".join(SENTENCES)
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    assert list(sentences(pieces)) == SENTENCES


def test_a_sentence_is_given_out_as_soon_as_the_next_one_begins():
    def pieces():
        for word in ("One", " two.", " ", "Three", " four."):
            given.append(word)
            yield word

    given, found = [], []
    for sentence in sentences(pieces()):
        found.append((sentence, len(given)))
    assert found == [("One two. ", 4), ("Three four.", 5)]
    assert list(sentences([])) == list(sentences(["", " \n"])) == []
    with pytest.raises(UserError, match="must be strings, not int"):
        list(sentences(["a", 1]))
