"""English: what is said for what is written, and its phones."""

import itertools
import socket

import pytest

from ellav.errors import UserError
from ellav.plugins.text import text
from ellav.plugins.text.english import spoken
from ellav.plugins.text.g2p_en import pronounce
from ellav.types import SILENCE

SAID = [
    ("Mr. and Mrs. Hill met Dr. Who on Elm St. near St. Paul.",
     "mister and missus hill met doctor who on elm street near saint paul ,"),
    ("It cost $3.50, not £2 or $1.", "it cost three dollars and fifty cents , not two pounds or one dollar ,"),
    ("$3 million", "three million dollars"),
    ("1,234,567 people", "one million two hundred thirty four thousand five hundred sixty seven people"),
    ("in 1984, 1905, 1900, 2007 and 2024",
     "in nineteen eighty four , nineteen oh five , nineteen hundred , two thousand seven and twenty twenty four"),
    ("the 1980s", "the nineteen eighties"),
    ("the 1st, 22nd and 103rd", "the first , twenty second and one hundred third"),
    ("3.14 or -5", "three point one four or minus five"),
    ("at 3:45 p.m. or 10:05 or 12:00", "at three forty five P M or ten oh five or twelve o'clock"),
    ("forty-two self-made", "forty two self made"),
    ("2 1/2 cups and 3/4", "two and one half cups and three quarters"),
    ("5% & 10 km", "five percent and ten kilometers"),
    ("‘I can’t’, she said: “it’s John’s”", "i can't , she said , it's john's"),
    ("the U.S.A. and J. R. Hill", "the U S A and J R hill"),
    ("code 007", "code zero zero seven"),
    ("café — naïve…", "cafe , naive ,"),
]  # fmt: skip


@pytest.mark.parametrize(("written", "said"), SAID)
def test_normalisation(written, said):
    assert " ".join(spoken(written)) == said


def test_silence_stands_at_both_ends_and_at_punctuation_only():
    phones = text.create("g2p_en")('"Well, well!" (said the owl...), and flew.')
    assert phones.words == ["WELL", "WELL", "SAID", "THE", "OWL", "AND", "FLEW"]
    silent = [i for i, phone in enumerate(phones.phones) if phone == SILENCE]
    assert silent[0] == 0 and silent[-1] == len(phones.phones) - 1 and len(silent) == 5
    assert all(b - a > 1 for a, b in itertools.pairwise(silent))
    assert [word for word in phones.word_of_phone if word >= 0] == sorted(w for w in phones.word_of_phone if w >= 0)
    assert {i for i, word in enumerate(phones.word_of_phone) if word < 0} == set(silent)


def test_stress_is_an_option():
    with_stress = text.create("g2p_en")("The machine measured seven oysters.")
    without = text.create("g2p_en", {"stress": False})("The machine measured seven oysters.")
    assert with_stress.phones[:6] == ["sp", "DH", "AH0", "M", "AH0", "SH"]
    assert [phone.rstrip("012") for phone in with_stress.phones] == without.phones
    assert text.create("g2p_en").phone_set != text.create("g2p_en", {"stress": False}).phone_set


def test_homographs_follow_their_neighbours():
    speak = text.create("g2p_en")
    as_verb, as_noun = speak("They record it."), speak("The record is old.")
    assert as_verb.phones[3:9] == ["R", "IH0", "K", "AO1", "R", "D"]
    assert as_noun.phones[3:8] == ["R", "EH1", "K", "ER0", "D"]


def test_unknown_words_possessives_and_letters():
    assert pronounce("fbi's") == ("EH1", "F", "B", "IY1", "AY1", "Z")
    assert pronounce("zorblax's")[-2:] == ("IH0", "Z")  # not in the dictionary, ends in S
    assert pronounce("mp") == ("EH1", "M", "P", "IY1")
    assert pronounce("zorblax") == pronounce("zorblax") and len(pronounce("zorblax")) >= 6


@pytest.mark.parametrize("empty", ["", "...", "?!", '"-"'])
def test_what_cannot_be_spoken_is_refused(empty):
    with pytest.raises(UserError, match="no English word"):
        text.create("g2p_en")(empty)


def test_no_network_is_asked_for(monkeypatch):
    from ellav.plugins.text import g2p_en

    def refuse(*_args, **_kwargs):
        raise AssertionError("tried to open a connection")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    g2p_en._network.cache_clear()
    assert g2p_en._network().predict("blorptastic")
