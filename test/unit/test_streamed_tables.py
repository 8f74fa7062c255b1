"""Tables read a line at a time, or some lines of them: what learns from text holds no more for a larger set."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tracing import peak_into

from ellav.bin import fit_text
from ellav.data import speech
from ellav.data.kaldi import DataFolder, invert, read_table, set_rows, some_rows, table_rows, write_table
from ellav.data.shards import some_of
from ellav.data.sorting import write_spk2utt
from ellav.data.speech import Piece, Speech
from ellav.errors import UserError
from ellav.plugins.codecs import UNKNOWN
from ellav.plugins.text import text
from ellav.score import training_set
from ellav.score.scoring import Item
from ellav.score.training_set import model_words, recordings_of, training_recordings

KEY = st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=5)


def in_shards(root, name, rows, count):
    """`rows` in a table of a set of `count` shards, or of one that is not cut."""
    rows = sorted(rows.items(), key=lambda row: row[0].encode())
    for number in range(count):
        part = root / f"shards/{number + 1:04}-of-{count:04}" if count > 1 else root
        part.mkdir(parents=True, exist_ok=True)
        write_table(part / name, dict(rows[number * len(rows) // count : (number + 1) * len(rows) // count]))


@given(st.dictionaries(KEY, KEY, max_size=20), st.integers(1, 3), st.integers(1, 25))
def test_some_rows_are_even_over_all_shards(tmp_path_factory, rows, count, most):
    root = tmp_path_factory.mktemp("set")
    in_shards(root, "text", rows, count)
    every = list(read_table(root / "text").items())
    assert list(set_rows(root / "text")) == every
    assert list(some_rows(root / "text", most)) == some_of(every, most)


@settings(max_examples=30)
@given(st.dictionaries(KEY, st.sampled_from(["a", "a b", "é", "Z", "a-"]), min_size=1, max_size=12))
def test_speakers_are_inverted_as_in_memory(tmp_path_factory, speakers):
    root = tmp_path_factory.mktemp("speakers")
    write_table(root / "utt2spk", speakers)
    write_table(root / "want", invert(read_table(root / "utt2spk")))
    write_spk2utt(root)
    assert (root / "spk2utt").read_bytes() == (root / "want").read_bytes()
    assert sorted(path.name for path in root.iterdir()) == ["spk2utt", "utt2spk", "want"]


@pytest.mark.parametrize("content", [b"a 1\r\nb 2\r\n", b"a 1\rb 2", b"\n  a 1 \n\n b   2\n"])
def test_lines_end_as_people_end_them(tmp_path, content):
    (tmp_path / "text").write_bytes(content)
    assert list(table_rows(tmp_path / "text")) == [("a", "1"), ("b", "2")]


def test_what_is_not_utf8_is_told_with_its_place(tmp_path):
    (tmp_path / "text").write_bytes(b"a 1\n" * 1 + b"".join(b"b%05d x\n" % n for n in range(9000)) + b"c \xe9t\xe9\n")
    with pytest.raises(UserError, match=r"text: not UTF-8: byte 81007, in line 9002, is 0xe9; .*ISO-8859-1"):
        list(table_rows(tmp_path / "text"))
    with pytest.raises(UserError, match="none: no such file"):
        list(table_rows(tmp_path / "none"))


def spoken(root, count, shards=1):
    """What stage 3 leaves of `count` sentences of 31 words, of which each holds two."""
    words = {f"u{n:06}": f"W{n % 31} W{n * 7 % 31}" for n in range(count)}
    in_shards(root, "words", words, shards)
    in_shards(root, "phones", {key: f"sp {said} sp" for key, said in words.items()}, shards)
    in_shards(root, "word_of_phone", dict.fromkeys(words, "-1 0 1 -1"), shards)
    return root


def model_of(phones, folder):
    folder.mkdir()
    model_words(phones, folder, 2)
    return {name: (folder / name).read_text() for name in ("lm.arpa", "lexicon.txt")}


def test_the_language_model_of_a_set_does_not_depend_on_its_shards(tmp_path, monkeypatch):
    whole = model_of(spoken(tmp_path / "a", 90), tmp_path / "lm a")
    assert model_of(spoken(tmp_path / "b", 90, 4), tmp_path / "lm b") == whole
    assert "w7 W7\n" in whole["lexicon.txt"] and len(whole["lexicon.txt"].splitlines()) == 31
    monkeypatch.setattr(training_set, "MOST", 10)
    some = model_of(tmp_path / "b", tmp_path / "lm c")
    assert 2 < len(some["lexicon.txt"].splitlines()) < 31  # of ten sentences


def test_the_language_model_does_not_grow_with_the_set(tmp_path, monkeypatch):
    monkeypatch.setattr(training_set, "MOST", 500)
    peaks = []
    for count in (3000, 12_000):
        phones = spoken(tmp_path / str(count), count)
        with peak_into(peaks):
            model_of(phones, tmp_path / f"lm {count}")
    assert peaks[1] < 1.3 * peaks[0]


@pytest.mark.parametrize(
    ("table", "line"), [("words", "u9 X"), ("phones", "u000001 sp X"), ("word_of_phone", "u000001 x")]
)
def test_tables_that_do_not_fit_together_are_one_line(tmp_path, table, line):
    phones = spoken(tmp_path / "phones", 3)
    rows = read_table(phones / table) | dict([line.split(" ", 1)])
    write_table(phones / table, rows)
    (tmp_path / "lm").mkdir()
    with pytest.raises(UserError, match=r"phones: its tables do not fit together; rerun stage 3"):
        model_words(phones, tmp_path / "lm", 2)


def test_a_front_end_learns_from_so_many_sentences(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    in_shards(Path("raw"), "text", {f"u{n:03}": f"the boat {n % 10}" for n in range(100)}, 3)
    seen = []

    class Learner(text.get("sentencepiece")):
        def fit(self, sentences, folder):
            seen.append(sentences)
            return {}

    monkeypatch.setattr(text, "create", lambda *_: Learner())
    for most in (1000, 20):
        monkeypatch.setattr(fit_text, "MOST", most)
        fit_text.main(["--data", "raw", "--out", f"out{most}", "--text", "sentencepiece"])
    every = list(read_table("raw/text").values())
    assert seen == [every, some_of(every, 20)] and "sentencepiece, 20 sentences" in capsys.readouterr().out


def recorded(root, count, shards=1):
    """What stages 2 and 3 leave of `count` utterances, but for the recordings."""
    tables = {"wav.scp": "x.flac", "utt2num_samples": "16000", "phones": "sp A B sp", "ends": "0.1 0.5 0.9 1.0"}
    for name, value in tables.items():
        in_shards(root, name, dict.fromkeys((f"u{n:06}" for n in range(count)), value), shards)
    return root


def test_a_codec_draws_from_so_many_utterances(tmp_path, monkeypatch):
    monkeypatch.setattr(speech, "MOST", 300)
    peaks = []
    for count in (3000, 12_000):
        folder = recorded(tmp_path / str(count), count)
        with peak_into(peaks):
            made = Speech(folder, 16000, held_out=16, align=folder)
    assert peaks[1] < 1.3 * peaks[0]
    cut = recorded(tmp_path / "cut", 12_000, 3)
    other = Speech(cut, 16000, held_out=16, align=cut)
    assert made.phones == other.phones == ["A", "B", "sp"] and made.held_out == other.held_out
    assert all(int(utterance[1:]) % 40 == 0 for utterance in made.held_out) and len(made.held_out) == 16
    piece = Piece(np.zeros(16000, np.float32), made.held_out[0], 0.0)
    assert made.phones_in(piece, 5).tolist() == other.phones_in(piece, 5).tolist() == [0, 0, 1, 1, 2]
    assert (made.phones_in(piece._replace(utterance="u000001"), 5) == UNKNOWN).all()


SPEAKERS = st.dictionaries(KEY, st.sampled_from(["a", "b", "é"]), min_size=1, max_size=14)


@settings(max_examples=50)
@given(SPEAKERS, SPEAKERS, st.integers(1, 4), st.integers(1, 2), st.sets(KEY, max_size=6))
def test_recordings_of_speakers_are_those_of_whole_tables(tmp_path_factory, train, test, most, shards, copies):
    root, known, want = tmp_path_factory.mktemp("sets"), set(), []
    copies -= train.keys()
    if copies:
        in_shards(root / "train", "utt2original", dict.fromkeys(copies, min(train)), min(shards, len(copies)))
    for name, speakers in (("train", train), ("test", test)):
        data = DataFolder({key: f"{name} {key}" for key in speakers}, dict.fromkeys(speakers, "x"), speakers)
        more = copies if name == "train" else ()
        for table, rows in (("wav.scp", data.wavs), ("text", data.text), ("utt2spk", speakers)):
            written = rows | dict.fromkeys(more, "a")
            in_shards(root / name, table, written, min(shards, len(written)))
        of_each = invert({key: speakers[key] for key in sorted(speakers, key=str.encode)})
        for speaker, own in of_each.items():
            if speaker not in known:
                wanted = min(len(own), most + bool(known))
                places = np.linspace(0, len(own) - 1, wanted).round().astype(int)
                want += [Item(name, own[i], speaker, "", data.wavs[own[i]]) for i in places]
        known |= set(of_each)
    assert recordings_of([root / "train", root / "test"], most) == want


def test_a_scorer_learns_from_so_many_recordings(tmp_path, monkeypatch):
    phones = spoken(tmp_path / "phones", 40, 3)
    raw = tmp_path / "raw/train"
    for name, value in (("wav.scp", "x.flac"), ("text", "X"), ("utt2spk", "u")):
        in_shards(raw, name, dict.fromkeys((f"u{n:06}" for n in range(1, 40)), value), 2)  # one lacks its recording
    every = training_recordings(raw, phones)
    assert sorted(one.id for one in every) == [f"u{n:06}" for n in range(1, 40)]
    assert [one.id for one in every] == [f"u{n + 1:06}" for n in np.random.default_rng(0).permutation(39)]
    assert every[0] == Item("train", every[0].id, "u", "", "x.flac", phones=read_table(phones / "phones")[every[0].id])
    monkeypatch.setattr(training_set, "MOST", 8)
    assert sorted(one.id for one in training_recordings(raw, phones)) == [f"u{n:06}" for n in range(5, 40, 5)]
