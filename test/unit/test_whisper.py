"""The transcriber whisper: what it hears, and where it looks for its weights."""

import faster_whisper.utils
import jiwer
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.config import read_yaml
from ellav.data.audio import read_wav
from ellav.errors import UserError
from ellav.infer.bundle import PRETRAINED
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.transcribers import transcribers, whisper
from ellav.plugins.transcribers.whisper import find_weights, words_of
from ellav.testing import check_transcriber

MINI = PRETRAINED.with_name("mini")
TEXTS = {prompt["name"]: prompt["text"] for prompt in read_yaml(MINI / "model.yaml")["prompts"]}


@pytest.fixture(scope="module")
def listener(whisper_base):
    return transcribers.create("whisper", {"model": str(whisper_base), "compute": "int8"})


def prompt(name):
    return read_wav(str(MINI / "prompts" / f"{name}.flac"), 16000)


def test_it_hears_the_words(listener, whisper_base):
    conf = {"model": str(whisper_base), "compute": "int8"}
    scorer = scorers.create("wer", {"transcriber": "whisper", "transcriber_conf": conf, "normalizer": "whisper"})
    scorer._transcriber = listener  # loaded once
    errors, words = 0.0, 0.0
    for name in ("slt1", "awb1"):
        made = scorer.score(Scored(name, name[:3], TEXTS[name], prompt(name), 16000))
        assert made["heard"] == " ".join(made["heard"].split()).upper() and "." not in made["heard"]
        errors, words = errors + made["wer"][0], words + made["wer"][1]
    assert errors / words <= 15
    assert scorer.metrics["wer"].startswith("word error rate, %, as heard by whisper (model=base, compute=int8); ")


def test_it_keeps_the_contract(listener):
    check_transcriber(listener, cases=0)  # noise and less; of speech, each second of which costs as much, see below
    assert listener.transcribe(prompt("slt1")) == listener.transcribe(prompt("slt1"))


def test_it_is_surer_of_clear_speech(listener):
    wav = prompt("slt1")
    noise = np.random.default_rng(0).normal(0, float(np.std(wav)), len(wav)).astype(np.float32)
    (words, clear), (_, unclear) = listener.transcribe_scored(wav), listener.transcribe_scored(wav + noise)
    assert words == listener.transcribe(wav)
    assert 0 < unclear < clear <= 1
    assert listener.transcribe_scored(np.zeros(16000)) == ("", 0.0)


def test_what_is_no_speech_is_no_words(listener):
    noise = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)
    for wav in (np.zeros(0), np.zeros(40000), np.full(40000, 1e-5), np.ones(1), prompt("slt1")[8000:9000], noise):
        assert listener.transcribe(wav) == ""


def test_words_that_repeat_are_heard_and_bounded_by_the_time(listener, monkeypatch):
    wav = np.tile(prompt("awb2")[8000:16000], 4)  # 2 s
    assert listener.transcribe(wav).split().count("TRAIL") > 2
    monkeypatch.setattr(whisper, "_TOKENS_PER_SECOND", 2)
    monkeypatch.setattr(whisper, "_FIRST_TOKENS", 1)
    assert 1 <= len(listener.transcribe(wav).split()) <= 1 + 2 * 2


def test_speech_longer_than_its_window_is_heard_to_the_end(listener):
    pause = np.random.default_rng(0).normal(0, 1e-3, 28 * 16000).astype(np.float32)
    wav = np.concatenate([prompt("slt1"), pause, prompt("slt2")])
    heard = listener.transcribe(wav)
    assert jiwer.wer(words_of(TEXTS["slt1"] + " " + TEXTS["slt2"]), heard) <= 0.3, heard


def test_the_language_is_found_or_refused(listener, whisper_base):
    auto = transcribers.create("whisper", {"language": "auto", "compute": "int8"})  # the installed folder by itself
    assert "THE" in auto.transcribe(prompt("slt1")).split()
    with pytest.raises(UserError, match=r"has no language 'english'.*it has af, am, .*, and auto"):
        transcribers.create("whisper", {"language": "english"})


@pytest.mark.parametrize("option", [{"beam": 0}, {"threads": -1}])
def test_counts_are_one_or_more(option):
    with pytest.raises(UserError, match="must be 1 or more"):
        transcribers.create("whisper", option)


@pytest.mark.parametrize(
    "written, words",
    [
        (" Mr. Quilter is the apostle, isn\u2019t he?", "MR QUILTER IS THE APOSTLE ISN'T HE"),
        ("\u201cTwenty-one\u201d \u2014 or $3.50 \u2026 at 10:30!", "TWENTY ONE OR $3.50 AT 10:30"),
        ("\u4f60\u597d\uff0c\u4e16\u754c\u3002", "\u4f60\u597d \u4e16\u754c"),
        ("\u266a ... -", ""),
    ],
)
def test_words_of_what_is_written(written, words):
    assert words_of(written) == words


@given(st.text(max_size=30))
def test_words_of_any_text_are_as_the_contract_has_them(text):
    words = words_of(text)
    assert words == " ".join(words.split()).upper()


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with `base` in its cache and everything else a download away. asked: what it was asked for."""
    asked = []

    def download(name, local_files_only=False):
        asked.append((name, "cache" if local_files_only else "network"))
        folder = tmp_path / "hub" / name.replace("/", "--")
        folder.mkdir(parents=True, exist_ok=True)
        if name == "base" or not local_files_only:
            fill(folder)
        return str(folder)

    monkeypatch.setattr(faster_whisper.utils, "download_model", download)
    monkeypatch.setattr(whisper, "INSTALLED", tmp_path / "tools/whisper")
    monkeypatch.chdir(tmp_path)
    return asked


def fill(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("model.bin", "config.json", "tokenizer.json"):
        (folder / name).write_text("{}")
    return folder


def test_weights_are_taken_from_the_nearest_place(hub, tmp_path, capsys):
    assert find_weights("base") == tmp_path / "hub/base" and hub == [("base", "cache")]
    assert capsys.readouterr().err == ""
    hub.clear()
    assert find_weights("small") == tmp_path / "hub/small" and hub == [("small", "cache"), ("small", "network")]
    assert "fetching small from the Hugging Face hub" in capsys.readouterr().err
    assert find_weights("someone/whisper-of-mine") == tmp_path / "hub/someone--whisper-of-mine"
    hub.clear()
    installed, own = fill(tmp_path / "tools/whisper/base"), fill(tmp_path / "mine")
    assert find_weights("base") == find_weights(None) == installed
    assert find_weights(str(own)) == own and str(find_weights("mine")) == "mine"
    assert hub == []


def test_without_a_name_nothing_is_fetched(hub):
    with pytest.raises(UserError, match=r"name a size .*model=base.*or a folder, or run tools/installers/install_whis"):
        find_weights(None)
    assert hub == []


@pytest.mark.parametrize(
    "model, message",
    [
        ("/nowhere/base", "no folder /nowhere/base; name one"),
        ("./base", "no folder ./base"),
        ("bsae", r"'bsae' is neither a folder nor a size \(did you mean 'base'\?\); sizes: tiny.en, tiny"),
        ("a/b/c", "'a/b/c' is neither a folder nor a size"),
        ("half", "half has no model.bin; a model for faster-whisper"),
    ],
)
def test_what_is_no_model_is_named(hub, tmp_path, model, message):
    (tmp_path / "half").mkdir()
    with pytest.raises(UserError, match=message):
        find_weights(model)
    assert hub == []


def test_a_hub_out_of_reach_is_one_line(monkeypatch, tmp_path):
    """All tests run with the hub's client offline."""
    monkeypatch.setattr(whisper, "INSTALLED", tmp_path)
    with pytest.raises(UserError, match="no folder tiny here, and the Hugging Face hub gives none: ") as caught:
        find_weights("tiny")
    assert "\n" not in str(caught.value)


def test_a_broken_file_is_one_line(tmp_path):
    with pytest.raises(UserError, match="does not load: ") as caught:
        transcribers.create("whisper", {"model": str(fill(tmp_path / "broken"))})
    assert "\n" not in str(caught.value)
