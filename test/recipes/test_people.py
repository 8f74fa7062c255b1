"""The recipes of people's speech on miniature corpora in their makers' layouts, of machine-made speech."""

import json
import os
import subprocess
import sys
from pathlib import Path

import miniature
import pytest

from ellav.data.kaldi import DataFolder, read_table

EGS = Path(__file__).resolve().parents[2] / "egs"
SUBSETS = {"train-clean-5": ["19", "26", "84"], "dev-clean-2": ["777"]}
SMALL = ("--nj", "1", "--ngpu", "0", "--codec_conf", "codebooks=2", "size=64")
ENGLISH = ("--text_conf", "stress=false")
JUDGES = ("--scorers", "wer stability rtf", "--score-args", "--transcriber pocketsphinx")


@pytest.fixture(scope="module")
def corpora(tmp_path_factory):
    """A folder with LibriSpeech, LibriTTS, light (Libri-Light) and heavy (Libriheavy): the same speech in each."""
    root = tmp_path_factory.mktemp("corpora of people")  # the spaces are on purpose
    said = miniature.speak(10)
    miniature.librispeech(root / "LibriSpeech", said, SUBSETS)
    miniature.libritts(root / "LibriTTS", said, SUBSETS)
    miniature.librilight(root / "light", said)
    miniature.libriheavy(root / "heavy", root / "light", said)
    return root


def run(name, folder, *options):
    """A recipe run in `folder`, from there."""
    places = [word for place in ("data", "dump", "exp") for word in (f"--{place}dir", str(folder / place))]
    english = () if name == "aishell_sample" else ENGLISH
    command = [EGS / name / "tts1/run.sh", *places, *SMALL, *english, *JUDGES, *options]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


def check_results(folder, name, scores):
    """All ten stages ran: a table with these scores, and a model that can be carried away."""
    results = json.loads((folder / "exp/smoke/interleaved/results.json").read_text())
    assert scores <= set(results["sets"][name]["synthesized"])
    assert (folder / "exp/smoke/interleaved/packed/model.yaml").exists()
    return results["sets"][name]


def test_librispeech_in_ten_stages(corpora, tmp_path):
    subsets = ("--train-subsets", "train-clean-5", "--test-subsets", "dev-clean-2", "--valid-readers", "84")
    pairing = ("--most-targets", "4")  # 3 s of another utterance of the reader
    where = ("--librispeech", os.path.relpath(corpora, tmp_path))  # from where the caller stands
    done = run("librispeech", tmp_path, "--smoke", *where, *subsets, *pairing, "--local-data-opts", "--hours 1")
    assert [f"Stage {stage}: " in done.stdout for stage in range(1, 11)] == [True] * 10
    rows = check_results(tmp_path, "dev_clean_2", {"wer", "inf", "cut", "duration_ratio"})
    assert rows["recorded"]["wer"]["value"] < rows["shuffled"]["wer"]["value"]
    assert len(read_table(tmp_path / "dump/smoke/raw/dev_clean_2/targets")) == 4
    assert set(DataFolder.read(tmp_path / "dump/smoke/raw/train").speakers.values()) == {"19", "26"}


def test_librilight_with_libriheavy_in_ten_stages(corpora, tmp_path):
    where = ("--librilight", corpora / "light", "--libriheavy", corpora / "heavy")
    readers = ("--valid-readers", "84", "--held-out-readers", "777")
    run(
        "librilight",
        tmp_path,
        "--smoke",
        *where,
        *readers,
        *("--test-most-seconds", "20", "--local-data-opts", "--hours 1", "--scorers", "stability rtf"),
    )
    check_results(tmp_path, "test_unseen", {"inf", "cut", "duration_ratio"})
    train = DataFolder.read(tmp_path / "dump/smoke/raw/train")
    assert any("," in text for text in train.text.values()) and set(train.speakers.values()) == {"19", "26"}


def test_libritts_in_ten_stages(corpora, tmp_path):
    subsets = ("--train-subsets", "train-clean-5", "--test-subsets", "dev-clean-2", "--valid-readers", "84")
    where = ("--librispeech", corpora / "LibriTTS", "--libritts-text", "original", "--most-targets", "4")
    less = ("--local-data-opts", "--hours 1", "--scorers", "stability rtf")
    run("librispeech", tmp_path, "--smoke", *where, *subsets, *less)
    check_results(tmp_path, "dev_clean_2", {"inf", "cut", "duration_ratio"})
    train = DataFolder.read(tmp_path / "dump/smoke/raw/train")
    assert len(train.wavs) == 20 and all(text.startswith("“") for text in train.text.values())


CHARACTERS = 2 * [
    "今天天气很好我们去公园",
    "设定空调二十九度",
    "他想听一首老歌",
    "请你打开客厅的灯",
    "明天早上七点叫我",
]


def test_aishell_in_ten_stages(tmp_path):
    miniature.aishell(tmp_path, CHARACTERS)
    kept = ("--seen-utterances", "2", "--valid-utterances", "1", "--test-least-seconds", "1")
    less = ("--local-data-opts", "--hours 1", "--scorers", "stability rtf", "--text_conf", "tones=false")
    done = run("aishell_sample", tmp_path, "--smoke", "--aishell", tmp_path, *kept, *less)
    assert [f"Stage {stage}: " in done.stdout for stage in range(1, 11)] == [True] * 10
    check_results(tmp_path, "test_seen", {"inf", "cut", "duration_ratio"})
    train = DataFolder.read(tmp_path / "data/smoke/train")
    assert set(train.speakers.values()) == {"S0002", "S0003"} and len(train.wavs) == 14
    assert set(train.text.values()) <= set(CHARACTERS)  # the corpus's spaces are gone
    assert "t ian" in (tmp_path / "dump/smoke/phones/train/phones").read_text()


def test_mini_librispeech_knows_its_subsets(corpora, tmp_path):
    kept = ("--seen-utterances", "2", "--valid-utterances", "2")
    done = run("mini_librispeech", tmp_path, "--librispeech", corpora, *kept, "--stop-stage", "1")
    for name, count in (("train", 18), ("valid", 6), ("test_seen", 6)):
        assert len(DataFolder.read(tmp_path / "data" / name).wavs) == count, done.stdout
    assert set(DataFolder.read(tmp_path / "data/dev_clean_2").speakers.values()) == {"777"}


@pytest.mark.parametrize("name", ["librispeech", "librilight", "mini_librispeech", "aishell_sample"])
def test_help_tells_the_options_of_the_corpus_and_of_the_task(name):
    done = subprocess.run([EGS / name / "tts1/run.sh", "--help"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "\n  --held-out-readers\n" in done.stdout and "--stop-stage N" in done.stdout


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("librispeech", [], "where is the corpus? Give --librispeech DIR, or set its variable in db.sh"),
        ("librilight", [], "where is the corpus? Give --librilight DIR"),
        ("aishell_sample", [], "where is the corpus? Give --aishell DIR"),
        ("aishell_sample", ["--aishell", "/"], "/transcript/aishell_transcript_v0.8.txt: no such file"),
        ("librispeech", ["--librispeech", "/"], "/: no subset 'train-clean-100' there; it holds"),
        ("mini_librispeech", ["--librispeech"], "run.sh: option --librispeech needs a value"),
    ],
)
def test_a_folder_that_is_not_the_corpus_is_one_line(tmp_path, name, options, message):
    command = [EGS / name / "tts1/run.sh", "--datadir", tmp_path, "--stop-stage", "1", *options]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 2) and message in done.stderr
    assert len(done.stderr.splitlines()) <= 2 and not list(tmp_path.glob("*/text"))
