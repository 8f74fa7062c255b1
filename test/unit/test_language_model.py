"""The language model is a probability distribution, and pocketsphinx can use it."""

import subprocess

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.data.language_model import arpa, write_language_model
from ellav.errors import UserError
from ellav.plugins.transcribers import transcribers

SENTENCES = [
    line.split() for line in ("THE OLD KING SOLD A CARPET", "THE QUEEN PAINTED A LADDER", "A ZORBLAT SOLD THE KING")
]
ZORBLAT = {"ZORBLAT": ["Z", "AO1", "R", "B", "L", "AE0", "T"]}


def read_arpa(text):
    """{n-gram: (log10 probability, log10 back-off weight)}, read as a decoder reads it."""
    table, announced, length = {}, {}, 0
    for line in text.splitlines():
        if line.startswith("ngram "):
            name, size = line[6:].split("=")
            announced[int(name)] = int(size)
        elif line.endswith("-grams:"):
            length = int(line[1:].split("-")[0])
        elif length and line and not line.startswith("\\"):
            value, gram, *backoff = line.split("\t")
            words = tuple(gram.split(" "))
            assert len(words) == length
            table[words] = (float(value), float(backoff[0]) if backoff else 0.0)
    for length, size in announced.items():
        assert size == sum(len(words) == length for words in table)
    assert text.rstrip().endswith("\\end\\")
    return table


def probability(table, history, word):
    """By back-off, as the format defines it."""
    if (*history, word) in table:
        return 10 ** table[(*history, word)][0]
    weight = 10 ** table[history][1] if history in table else 1.0
    return weight * probability(table, history[1:], word)


@settings(max_examples=40)
@given(st.lists(st.lists(st.sampled_from("abcde"), min_size=1, max_size=6), min_size=1, max_size=8), st.integers(1, 3))
def test_probabilities_sum_to_one_after_any_history(sentences, order):
    table = read_arpa(arpa(sentences, order))
    words = {gram[0] for gram in table if len(gram) == 1} - {"<s>"}
    histories = [(), ("<s>",), ("a",), ("a", "b"), ("<s>", "c"), ("e", "e")]
    for history in histories:
        history = tuple(w for w in history if (w,) in table)[-(order - 1) :] if order > 1 else ()
        assert sum(probability(table, history, word) for word in words) == pytest.approx(1, abs=1e-4)


def test_what_was_seen_is_likelier_than_what_was_not():
    table = read_arpa(arpa([[w.lower() for w in s] for s in SENTENCES], 2))
    assert probability(table, ("old",), "king") > 5 * probability(table, ("old",), "ladder")


def test_no_words_is_an_error():
    with pytest.raises(UserError, match="no words"):
        arpa([[]], 2)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """One sentence with a word that no dictionary has, by flite."""
    path = tmp_path_factory.mktemp("flite") / "a.wav"
    subprocess.run(["flite", "-voice", "slt", "-t", "a zorblat sold the king", "-o", str(path)], check=True)
    return soundfile.read(path, dtype="float32")[0]


@pytest.mark.parametrize("order", [2, 3])
def test_pocketsphinx_hears_with_it(tmp_path, spoken, order):
    lm = write_language_model(tmp_path, SENTENCES, ZORBLAT, order)
    listener = transcribers.create("pocketsphinx", {"lm": str(lm)})
    heard = listener.transcribe(spoken)
    assert [word for word in heard.split() if word not in ("THE", "A")] == ["ZORBLAT", "SOLD", "KING"]
    assert len(listener.transcribe(np.zeros(16000, np.float32)).split()) <= 1
    assert listener.transcribe(np.zeros(0, np.float32)) == ""
    noise = np.random.default_rng(0).normal(0, 0.3, 32000).astype(np.float32)
    listener.transcribe(noise)
    assert listener.transcribe(spoken) == heard


def test_a_word_without_pronunciation_is_named(tmp_path):
    lm = write_language_model(tmp_path, SENTENCES, {}, 2)
    with pytest.raises(UserError, match="'zorblat'"):
        transcribers.create("pocketsphinx", {"lm": str(lm)})


def test_a_foreign_phone_is_named(tmp_path):
    lm = write_language_model(tmp_path, SENTENCES, {"ZORBLAT": ["ʒ"]}, 2)
    with pytest.raises(UserError, match="ARPAbet"):
        transcribers.create("pocketsphinx", {"lm": str(lm)})


def test_other_files_are_refused(tmp_path):
    (tmp_path / "x.arpa").write_text("nothing of the kind\n")
    with pytest.raises(UserError, match="ARPA"):
        transcribers.create("pocketsphinx", {"lm": str(tmp_path / "x.arpa")})
    with pytest.raises(UserError, match="no such"):
        transcribers.create("pocketsphinx", {"lm": str(tmp_path / "y.arpa")})
