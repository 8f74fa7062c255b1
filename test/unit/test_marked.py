"""Texts with marks, and SSML."""

import re
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.asked import Request
from ellav.infer.marked import Piece, between, plain_text, read_marked
from ellav.infer.silences import at_long_silences
from ellav.infer.ssml import is_ssml, read_ssml, told_apart
from ellav.plugins.text import Phones
from ellav.plugins.text.given_phones import given_phones
from ellav.types import NONE

TOKENS = Tokens(["sp", "a", "b", "c", "t", "ts"], {})


def read(text):
    """Letters as phones, pauses at commas and full stops, `5 m` as one word of two letters."""
    phones, owners, words = ["sp"], [NONE], []
    for token in re.findall(r"[a-z]+|5 m|5|[A-Z]|[,.]", text):
        if token in ",.":
            if phones[-1] != "sp":
                phones, owners = [*phones, "sp"], [*owners, NONE]
            continue
        said = {"5 m": "mf", "5": "f"}.get(token, token.lower())
        phones, owners, words = [*phones, *said], [*owners, *[len(words)] * len(said)], [*words, token.upper()]
    if not words:
        raise UserError(f"text {text!r} has no word")
    if phones[-1] != "sp":
        phones, owners = [*phones, "sp"], [*owners, NONE]
    return Phones(phones, owners, words)


def read_latin(text):
    if not text.isascii():
        raise UserError(f"{text!r} cannot be read")
    return read(text)


@given(
    st.lists(st.tuples(st.sampled_from(["ab", "c", "abc", "b,", "a."]), st.floats(0.5, 2)), min_size=1, max_size=8),
    st.data(),
)
def test_marks_do_not_change_what_is_said(words, data):
    pieces = [Piece(f"{word} ", rate) for word, rate in words]
    made = read_marked(pieces, read)
    assert made.said == read(plain_text(pieces))
    for phone, owner in enumerate(made.said.word_of_phone):
        assert owner == NONE or made.rate[phone] == words[owner][1]
    assert np.isnan(made.silence).all()
    cut = data.draw(st.integers(0, len(plain_text(pieces))))
    halves = between(pieces, 0, cut), between(pieces, cut, len(plain_text(pieces)))
    assert plain_text([*halves[0], *halves[1]]) == plain_text(pieces)


def test_breaks_stand_where_they_are_and_make_room_for_themselves():
    pieces = [Piece("", silence=1.0), Piece("ab "), Piece("", silence=0.5), Piece("c, a"), Piece("", silence=0.25),
              Piece("", silence=0.25)]  # fmt: skip
    made = read_marked(pieces, read)
    assert made.said.phones == ["sp", "a", "b", "sp", "c", "sp", "a", "sp"]
    assert made.silence[[0, 3, 5, 7]].tolist() == pytest.approx([1.0, 0.5, np.nan, 0.5], nan_ok=True)
    text = plain_text(pieces)
    assert [piece.silence for piece in between(pieces, 0, 3) if piece.silence] == [1.0, 0.5]
    assert [piece.silence for piece in between(pieces, 3, len(text)) if piece.silence] == [0.25, 0.25]


def test_given_phones_stand_for_their_word_and_letters_for_themselves():
    made = read_marked([Piece("a "), Piece("bc", 0.5, phones=("t", "ts")), Piece(" c")], read)
    assert made.said == Phones(["sp", "a", "t", "ts", "c", "sp"], [NONE, 0, 1, 1, 2, NONE], ["A", "BC", "C"])
    assert made.rate.tolist() == [1, 1, 0.5, 0.5, 1, 1]
    made = read_marked([Piece("a "), Piece("b-c", spelled=True), Piece(", c")], read)
    assert made.said == Phones(["sp", "a", "b", "c", "sp", "c", "sp"], [NONE, 0, 1, 2, NONE, 3, NONE],
                               ["A", "B", "C", "C"])  # fmt: skip
    assert read_marked([Piece("bc", phones=("t",))], read).said.phones == ["sp", "t", "sp"]
    foreign = read_marked([Piece("東", phones=("t",)), Piece(" b")], read_latin)
    assert foreign.said == Phones(["sp", "t", "b", "sp"], [NONE, 0, 1, NONE], ["東", "B"])
    with pytest.raises(UserError, match="cannot be read"):
        read_marked([Piece("東"), Piece(" b")], read_latin)


def test_pieces_that_are_read_otherwise_together_are_read_by_themselves():
    assert read("5 m, a").words == ["5 M", "A"]
    made = read_marked([Piece("5", 0.5), Piece(" m, a"), Piece(" b")], read)
    assert made.said == Phones(["sp", "f", "m", "sp", "a", "b", "sp"], [NONE, 0, 1, NONE, 2, 3, NONE],
                               ["5", "M", "A", "B"])  # fmt: skip
    made = read_marked([Piece("5, ", 0.5), Piece("m "), Piece("5", 2.0), Piece(" m")], read)
    assert made.said.phones == ["sp", "f", "sp", "m", "f", "m", "sp"]


def test_nothing_said_is_nothing():
    with pytest.raises(UserError, match="empty"):
        read_marked([Piece(" ... "), Piece("", silence=1.0)], read)


def ssml(inside):
    return read_ssml(f"<speak>{inside}</speak>", "ipa", TOKENS)


def told(pieces):
    return [piece for piece in pieces if piece.text or piece.silence is not None]


def test_ssml_is_told_by_its_beginning():
    assert (
        is_ssml("<speak>a</speak>") and is_ssml(' <?xml version="1.0"?>\n<speak version="1.1">') and is_ssml("<speak/>")
    )
    assert is_ssml('<?xml version="1.0"?><!DOCTYPE speak [<!ENTITY a "b">]><!-- x --> <speak>&a;</speak>')
    assert not is_ssml("speak") and not is_ssml("<speaker>") and not is_ssml("a <speak>") and not is_ssml(None)


@given(
    st.sampled_from(["<speak>a, b</speak>", ' <?xml version="1.0"?>\n<speak>a</speak>', "<speaker> a", "<", "", " a b",
                     "<?xml", "<speak/>", "<?xml?> a", "<!-- a > b -->\n<speak>a</speak>", "<!-- a",
                     "<!DOCTYPE a> <speak>a</speak>",
                     '<!DOCTYPE speak [<!ENTITY a "b">]><speak>&a;</speak>', "<!-- a --> b", "<!DOC"]),
    st.lists(st.integers(0, 40)),
)  # fmt: skip
def test_ssml_is_told_in_pieces_too(text, cuts):
    ends = [0, *sorted(cuts), len(text)]
    ssml, pieces = told_apart(text[start:end] for start, end in pairwise(ends) if start <= end)
    assert ssml == is_ssml(text) and "".join(pieces) == text


def test_no_more_pieces_are_asked_for_than_tell_ssml_from_text():
    pieces = iter(["<", "spe", "ed> ", "rest"])
    assert not told_apart(pieces)[0] and list(pieces) == ["rest"]
    with pytest.raises(UserError, match="pieces of text must be strings"):
        told_apart([1])


def test_what_ssml_says():
    made = ssml('a <prosody rate="50%">b <prosody rate="1.5">c</prosody></prosody> d<break time="250ms"/>&amp;')
    assert told(made) == [Piece("a "), Piece("b ", 0.5), Piece("c", 0.75), Piece(" d"), Piece("", silence=0.25),
                          Piece("&")]  # fmt: skip
    assert told(ssml('<phoneme alphabet="ipa" ph="tsaˈt">a</phoneme>')) == [Piece("a", phones=("ts", "a", "t"))]
    assert told(ssml('<say-as interpret-as="characters">a1</say-as>')) == [Piece("a1", spelled=True)]
    assert [piece.silence for piece in told(ssml('<break/><break time="1.5s"/><break time=".5s"/>'))] == [0.4, 1.5, 0.5]
    assert [told(ssml(f'<prosody rate="{rate}">a</prosody>'))[0].rate for rate in ("slow", "-20%", "+20%", "80%")] == (
        pytest.approx([0.8, 0.8, 1.2, 0.8])
    )
    spaced = read_ssml(
        '<speak xmlns="http://www.w3.org/2001/10/synthesis" xml:lang="en" version="1.1">a</speak>', "", TOKENS
    )
    assert told(spaced) == [Piece("a")]
    assert told(ssml("<!-- <audio/> --><?php no?>a")) == [Piece("a")]


DEEP = "<prosody rate='1'>" * 40 + "a" + "</prosody>" * 40


@pytest.mark.parametrize(
    ("inside", "said"),
    [
        ("<audio src='x'/> <emphasis>a</emphasis>", "<audio>, <emphasis> not understood; there are <prosody rate>"),
        (
            "<loud/> <prosody speed='1' pich='2'>a</prosody> <break time='1s' tiem='2s'/>",
            "SSML: <loud>, <prosody speed>, <prosody pich>, <break tiem> not understood; there are <prosody rate>",
        ),
        ("<phonem ph='a'>a</phonem>", "<phonem> not understood (did you mean 'phoneme'?)"),
        ("<prosody pitch='high'>a</prosody>", "<prosody pitch> not understood"),
        ("<prosody rate='quick'>a</prosody>", "<prosody rate='quick'> is no rate; write 0.8"),
        ("<prosody rate='+2'>a</prosody>", "is no rate"),
        ("<prosody>a</prosody>", "<prosody rate=None> is no rate"),
        ("<prosody rate='0.6'><prosody rate='0.6'>a</prosody></prosody>", "a rate of 0.36 in all"),
        ("<break time='1 hour'/>", "is no time"),
        ("<break time='31s'/>", "is no time"),
        ("<break time='s'/>", "is no time"),
        ("<break strength='weak'/>", "<break strength> not understood"),
        ("<say-as interpret-as='date'>a</say-as>", "interpret-as='date'> not understood; there is 'characters'"),
        ("<say-as interpret-as='characters'>-</say-as>", "no letter and no digit"),
        ("<phoneme ph='x'>a</phoneme>", "'x' in its ph begins no phone of the model"),
        ("<phoneme ph=''>a</phoneme>", "ph, its phones, is empty"),
        ("<phoneme alphabet='x-sampa' ph='a'>a</phoneme>", "alphabet 'x-sampa' is none of x-arpabet, ipa"),
        ("<phoneme alphabet='x-arpabet' ph='AA'>a</phoneme>", "cannot be written in x-arpabet"),
        ("<phoneme ph='a'><break/></phoneme>", "<phoneme> holds text alone, no <break>"),
        ("a < b", "SSML: not well-formed"),
        ("<prosody rate='1'>a", "SSML: mismatched tag"),
        ("&anything;", "SSML: undefined entity"),
        (DEEP, "more than 30 tags inside one another"),
    ],
)
def test_what_is_not_understood_is_told_in_one_line(inside, said):
    with pytest.raises(UserError, match=re.escape(said)) as caught:
        ssml(inside)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "kind",
    [
        '<!DOCTYPE speak [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>',
        '<!DOCTYPE speak SYSTEM "http://127.0.0.1:1/x.dtd">',
        '<!DOCTYPE speak [<!ENTITY f SYSTEM "file:///etc/passwd">]>',
    ],
)
def test_no_entity_is_expanded_and_no_file_opened(kind):
    with pytest.raises(UserError, match="it has a document type, which is not read"):
        read_ssml(f"<?xml version='1.0'?>{kind}<speak>&b;&f;</speak>", "ipa", TOKENS)


@pytest.mark.parametrize(
    ("written", "alphabet", "phone_set", "phones"),
    [
        ("təˈmeɪtoʊ", "ipa", "arpabet-stress", "T AH0 M EY1 T OW0"),
        ("təˈmɑːtəʊ", "ipa", "arpabet", "T AH M AA T OW"),
        ("ˌtʃɜːɹtʃ.ˈdʒʌdʒ", "ipa", "arpabet-stress", "CH ER2 CH JH AH1 JH"),
        ("t ah0 m ey1 t ow", "x-arpabet", "arpabet-stress", "T AH0 M EY1 T OW0"),
        ("T AH0 M EY1", "x-arpabet", "arpabet", "T AH M EY"),
        ("atsˌb.ˈta", "ipa", "ipa-stress", "a ts b t ˈa"),
        ("spa", "ipa", "ipa-stress", "s p a"),
    ],
)
def test_phones_as_people_write_them(written, alphabet, phone_set, phones):
    assert " ".join(given_phones(written, alphabet, phone_set, [*TOKENS.phones, "ˈa", "s", "p"], "x")) == phones


@pytest.mark.parametrize(
    ("written", "alphabet", "phone_set", "said"),
    [
        ("T XX", "x-arpabet", "arpabet", "'XX' is no phone of ARPAbet"),
        ("EY12", "x-arpabet", "arpabet", "'EY12' is no phone of ARPAbet"),
        ("tʘ", "ipa", "arpabet", "'ʘ' in its ph is no phone of English"),
        ("a", "ipa", "characters", "the phones of this model are 'characters', which cannot be written in ipa"),
    ],
)
def test_what_is_no_phone(written, alphabet, phone_set, said):
    with pytest.raises(UserError, match=re.escape(said)):
        given_phones(written, alphabet, phone_set, TOKENS.phones, "x")


@given(
    st.lists(st.integers(0, 400) | st.just(NONE), min_size=3, max_size=6),
    st.sampled_from([0.0, 0.6, 2.0]),
)
def test_long_silence_is_due_between_parts_and_no_word_is_lost(lengths, longest):
    count = len(lengths) - 1
    said = Phones(["sp", *["a", "sp"] * count], [NONE, *[o for w in range(count) for o in (w, NONE)]],
                  [f"W{w}" for w in range(count)])  # fmt: skip
    silence = np.full(len(said.phones), NONE)
    silence[::2] = lengths
    whole = Request("text", said, 0.8, silence, silence, pause=0.4)
    parts = at_long_silences(whole, longest, 50.0)
    assert [word for part in parts for word in part.said.words] == said.words
    assert all(part.phones[0] == part.phones[-1] == "sp" for part in parts)
    assert all((part.rate == 0.8).all() for part in parts)
    if longest == 0:
        assert all((part.least == NONE).all() for part in parts)
    else:
        assert all((part.most <= longest * 50).all() for part in parts)
    due = [parts[0].lead, *(part.pause for part in parts)]
    wanted = [length / 50 for i, length in enumerate(lengths) if length > longest * 50 and 0 < i < count]
    ends = [0.0 if lengths[0] <= longest * 50 else lengths[0] / 50,
            0.4 if lengths[-1] <= longest * 50 else lengths[-1] / 50]  # fmt: skip
    assert due == pytest.approx([ends[0], *wanted, ends[1]])
    for before, after in pairwise(parts):
        if longest:
            assert before.least[-1] + after.least[0] == int(longest * 50)
