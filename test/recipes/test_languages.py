"""The recipes of other languages, from nothing to a packed model, small."""

import json
import os
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest

from ellav.config import read_yaml
from ellav.data.kaldi import read_table

EGS = Path(__file__).resolve().parents[2] / "egs"
SMALL = ("--smoke", "--nj", "1", "--ngpu", "0", "--codec_conf", "codebooks=2", "size=64")
LISTENER = ("--scorers", "phone_error stability", "--score-args", "--scorer_conf phone_error.passes=3")


def run(name, folder, *options):
    """A recipe in `folder`."""
    places = [word for place in ("data", "dump", "exp") for word in (f"--{place}dir", str(folder / place))]
    command = [str(EGS / name / "tts1/run.sh"), *SMALL, *LISTENER, *places, *options]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done


@pytest.mark.parametrize(("name", "language", "phone"), [("mini_es", "es", "ɲ"), ("mini_cmn", "zh", "ɑu214")])
def test_another_language_in_ten_stages(tmp_path, name, language, phone):
    done = run(name, tmp_path)
    assert [f"Stage {stage}: " in done.stdout for stage in range(1, 11)] == [True] * 10
    rows = json.loads((tmp_path / "exp/smoke/interleaved/results.json").read_text())["sets"]["test_seen"]
    assert {"phone_error", "inf"} <= set(rows["synthesized"]) and {"shuffled", "silence"} <= set(rows)
    assert rows["silence"]["phone_error"]["value"] >= 80
    train = tmp_path / "data/smoke/train"
    assert set(read_table(train / "utt2lang").values()) == {language}
    assert len(set(read_table(train / "utt2spk").values())) == 10
    assert phone in (tmp_path / "dump/smoke/phones/train/phones").read_text(encoding="utf-8").split()
    assert (tmp_path / "exp/smoke/interleaved/packed/model.yaml").exists()


def test_two_languages_in_one_model(tmp_path):
    """Each with its front end; the models are told which by a token in front of the text."""
    run("mini_en_es", tmp_path, "--stop-stage", "8")
    tokens = (tmp_path / "dump/smoke/tokens/list/tokens.txt").read_text(encoding="utf-8").split()
    assert {"AH0", "ɲ", "sp"} <= set(tokens)
    config = read_yaml(tmp_path / "exp/smoke/interleaved/ar/config.yaml")
    assert config["languages"] == ["en", "es"]
    languages = read_table(tmp_path / "data/smoke/test_seen/utt2lang")
    for prompted, spoken in product(("en", "es"), repeat=2):
        prompts = read_table(tmp_path / f"exp/smoke/interleaved/decode/test_{prompted}_{spoken}/utt2prompt")
        assert prompts and all(prompt != utterance for utterance, prompt in prompts.items())
        assert {languages[utterance] for utterance in prompts} == {spoken}
        assert {languages[prompt] for prompt in prompts.values()} == {prompted}
        assert all(utterance.split("-")[0][2:] == prompt.split("-")[0][2:] for utterance, prompt in prompts.items())
