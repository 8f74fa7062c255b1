"""How English is read: a list of what people type with its right readings, for every front end that speaks English."""

import re

import pytest
from english_readings import heard, read_list, wrong
from hypothesis import given
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.plugins.text import text
from ellav.plugins.text.english import PAUSE, spoken

KNOWN_WRONG = {
    "9 V battery": "nine volts battery",
    "A → B": None,  # refused, and named
    "Mix 2 c. flour.": "mix two C flour",
    "M*A*S*H": "M A S H",
}
"""Lines of the list that are read otherwise, and how."""


READINGS = read_list()


def test_the_list_is_long_and_97_percent_of_it_are_read_right():
    assert len(READINGS) >= 300 and len(KNOWN_WRONG) <= 0.03 * len(READINGS)
    known = {written: said and heard(said.split()) for written, said in KNOWN_WRONG.items()}
    assert wrong(spoken, READINGS) == known


def test_espeak_reads_english_as_g2p_en_does():
    front_end = text.create("espeak", {"language": "en-us", "stress": False})
    assert set(wrong(lambda written: front_end(written).words, READINGS)) == set(KNOWN_WRONG)
    phones = front_end("AI in the U.S.A. at 7 a.m. and a man").phones[1:-1]
    assert "".join(phones) == "eɪaɪɪnðəjuːɛseɪætsɛvəneɪɛmændɐmæn"


@pytest.mark.parametrize(
    ("written", "phones"),
    [
        ("AI", "EY1 AY1"),
        ("the U.S.A.", "DH AH0 Y UW1 EH1 S EY1"),
        ("API", "EY1 P IY1 AY1"),
        ("7 a.m.", "S EH1 V AH0 N EY1 EH1 M"),
        ("Vitamin A", "V AY1 T AH0 M AH0 N EY1"),
        ("the U.N.", "DH AH0 Y UW1 EH1 N"),
        ("a man", "AH0 M AE1 N"),
        ("A man", "AH0 M AE1 N"),
        ("CPUs", "S IY1 P IY1 Y UW1 Z"),
        ("an F", "AE1 N EH1 F"),
        ("the FBI", "DH IY0 EH1 F B IY1 AY1"),
        ("NASA", "N AE1 S AH0"),
        ("JSON", "JH EY1 S AH0 N"),
    ],
)
def test_letters_are_said_by_their_names(written, phones):
    assert " ".join(text.create("g2p_en")(written).phones[1:-1]) == phones


SHOUTED = [
    "MISTER QUILTER IS THE APOSTLE OF THE MIDDLE CLASSES",
    "HE TOLD US THAT IT WAS A TEST AND WHO AM I TO ASK",
    "A MAN SAID TO THE UNIVERSE SIR I EXIST",
    "I'LL PLAY THE PART I LIKE IN A FORM A COMPOUND OF ALL",
    "DON'T GO THERE SAID ROGGENBLUM",
    "ITALIAN RUSKS",
]


@pytest.mark.parametrize("line", SHOUTED)
def test_a_text_in_capitals_is_not_spelled(line):
    assert spoken(line) == line.lower().split()


WITHOUT_PAUSE = [
    *("Ms. Brown ran", "climb Mt. Everest now", "for fruit, e.g. apples", "on Sept. 5 he ran", "cats vs. dogs"),
    *("Elm St. near us", "Lt. Col. Hill ran", "a 6 ft. tall man", "at 7 a.m. or so", "the U.S. Army", "J. K. Hill"),
]


@pytest.mark.parametrize("written", WITHOUT_PAUSE)
def test_abbreviations_make_no_pause(written):
    assert spoken(written).count(PAUSE) == written.count(",")


def test_a_full_stop_may_also_end_the_sentence():
    assert " ".join(spoken("on Main St. Then left")) == "on main street , then left"
    assert " ".join(spoken("at 7 a.m. Then we ate")) == "at seven A M , then we ate"


signs = [*"0123456789$£€.,-–/:'%AIa#@*&+=½²()sxMk_~^×\n\"  "]
longer = [
    "10",
    "1999",
    "000",
    "°C",
    "am",
    "p.m.",
    "km",
    "in.",
    "St.",
    "e.g.",
    "VIII",
    "World War",
    "March",
    "Sept.",
    "the",
]
pieces = st.sampled_from([*signs, *longer, "He", "CPU", "'s", "> ", "Mon", "No.", "www.a.com", "US$", "th"])


@given(st.lists(pieces, min_size=1, max_size=12).map("".join))
def test_whatever_is_typed_becomes_words_or_is_refused_by_its_character(written):
    try:
        tokens = spoken(written)
    except UserError as error:
        assert "has no reading" in str(error) and "\ue000" not in str(error)
        return
    assert all(token == PAUSE or re.fullmatch("[a-z']+|[A-Z]('s)?", token) for token in tokens)
