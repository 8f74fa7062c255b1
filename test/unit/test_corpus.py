"""The mini corpus: its sentences, who says what, and the recordings."""

import importlib
import itertools
import re
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

from ellav.data.kaldi import DataFolder
from ellav.plugins.text.g2p_en import G2pEn

LOCAL = Path(__file__).parents[2] / "egs/mini/tts1/local"


@pytest.fixture(scope="module")
def corpus():
    sys.path.insert(0, str(LOCAL))
    try:
        yield importlib.import_module("corpus")
    finally:
        sys.path.remove(str(LOCAL))


@pytest.fixture(scope="module")
def whole(corpus):
    """The plan of the recipe's own corpus: set -> [(utterance, speaker, sentence)]."""
    return corpus.plan(2.5, 0)


def test_training_sentences_hold_600_content_words_and_every_phone(whole):
    grammar = importlib.import_module("grammar")
    said = {word for *_, sentence in whole["train"] for word in re.findall("[a-z]+", sentence.lower())}
    assert len(said & grammar.content_words()) >= 600
    speak = G2pEn(stress=False)
    phones = {phone for *_, sentence in whole["train"] for phone in speak(sentence).phones}
    assert len(phones - {"sp"}) == 39


def test_no_sentence_stands_twice(whole):
    sentences = [sentence for lines in whole.values() for *_, sentence in lines]
    assert len(sentences) == len(set(sentences))


def test_the_seed_decides(corpus, whole):
    assert corpus.plan(2.5, 0) == whole
    assert corpus.plan(2.5, 1) != whole
    assert corpus.plan(1.0, 0)["test_seen"] == whole["test_seen"]


def test_sentences_are_plain_and_some_have_commas():
    grammar = importlib.import_module("grammar")
    some = list(itertools.islice(grammar.sentences(7), 500))
    assert all(re.fullmatch(r"[A-Z][A-Za-z ,]*[.?]", sentence) for sentence in some)
    assert 0.2 < sum("," in sentence for sentence in some) / len(some) < 0.8
    lengths = [len(sentence.split()) for sentence in some]
    assert min(lengths) >= grammar.LENGTH[0] and max(lengths) <= grammar.LENGTH[1]


def test_speakers_are_seen_or_unseen(corpus, whole):
    voices = {speaker.voice for speaker in corpus.SEEN.values()}
    assert len(corpus.SEEN) >= 12 and not voices & {speaker.voice for speaker in corpus.UNSEEN.values()}
    for name, speakers in (("train", corpus.SEEN), ("valid", corpus.SEEN), ("test_seen", corpus.SEEN)):
        assert {speaker for _, speaker, _ in whole[name]} == set(speakers)
    assert {speaker for _, speaker, _ in whole["test_unseen"]} == set(corpus.UNSEEN)
    per_speaker = [sum(s == speaker for _, s, _ in whole["test_seen"]) for speaker in corpus.SEEN]
    assert min(per_speaker) >= 5 and sum(per_speaker) >= 72
    assert all(utterance.startswith(speaker) for lines in whole.values() for utterance, speaker, _ in lines)


def test_a_warp_keeps_the_timing_and_moves_pitch(corpus):
    import pyworld

    wav, rate = corpus.speak(corpus.find_flite(), "rms", "The lawyer unwrapped the vase.")
    warped = corpus.warp(wav, rate, 1.3, 1.1)
    assert len(warped) == len(wav)
    loud = [np.convolve(np.abs(x), np.ones(800) / 800, "same") for x in (wav, warped)]
    assert np.corrcoef(*loud)[0, 1] > 0.9
    pitches = [pyworld.dio(x, rate)[0] for x in (wav, warped)]
    ratio = np.median(pitches[1][pitches[1] > 0]) / np.median(pitches[0][pitches[0] > 0])
    assert ratio == pytest.approx(1.3, rel=0.1)


def test_a_tiny_corpus_is_whole_repeatable_and_cheap_to_repeat(corpus, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    arguments = ["--hours", "0.001", "--nj", "1"]
    corpus.main([*arguments, "--out", "data"])
    for name in ("train", "valid", "test_seen", "test_unseen"):
        data = DataFolder.read(Path("data") / name)
        assert set(data.speakers.values()) == set(corpus.UNSEEN if name == "test_unseen" else corpus.SEEN)
        for wav in data.wavs.values():
            samples, rate = sf.read(wav)
            assert rate == 16000 and 2 < len(samples) / rate < 7 and 0.1 < np.abs(samples).max() <= 0.71
    capsys.readouterr()
    corpus.main([*arguments, "--out", "data"])
    assert capsys.readouterr().out.count("up to date") == 4
    first = next(iter(DataFolder.read("data/test_unseen").wavs.values()))
    again = Path("again.flac")
    utterance = Path(first).stem
    line = next(line for line in corpus.plan(0.001, 0)["test_unseen"] if line[0] == utterance)
    corpus.record(corpus.find_flite(), corpus.Line(*line, again))
    assert again.read_bytes() == Path(first).read_bytes()
