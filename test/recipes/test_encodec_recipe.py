"""The recipe with EnCodec in place of its own codec: random weights, so that it runs without a network."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from random_encodec import write_weights

MINI = Path(__file__).resolve().parents[2] / "egs/mini/tts1"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("encodec run")
    weights = folder / "random weights.th"
    write_weights(weights, codebooks=4)
    places = [word for name in ("data", "dump", "exp") for word in (f"--{name}dir", str(folder / name))]
    codec = ["--codec", "encodec", "--codec_conf", "bandwidth=1.5", "--codec_conf", f"weights={weights}"]
    options = ["--inference-args", "--limit 1 --measure false", "--scorers", "stability rtf dnsmos"]
    command = [MINI / "run.sh", "--smoke", "--nj", "2", *places, *codec, *options]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return folder


def test_codes_are_encodecs(run):
    described = yaml.safe_load((run / "exp/smoke/codec/codec.yaml").read_text())
    assert (described["name"], described["codebooks"], described["frame_rate"]) == ("encodec", 2, 75.0)
    frames = dict(line.split() for line in (run / "dump/smoke/codes/train/utt2num_frames").read_text().splitlines())
    assert len(frames) >= 5


def test_speech_is_decoded_and_scored(run):
    results = json.loads((run / "exp/smoke/interleaved/results.json").read_text())
    for rows in results["sets"].values():
        assert set(rows) == {"recorded", "resynthesis", "synthesized"}
        assert 1 <= rows["synthesized"]["dnsmos"]["value"] <= 5
        # Random weights speak noise, and the scorer hears that.
        assert rows["resynthesis"]["dnsmos"]["value"] < rows["recorded"]["dnsmos"]["value"]


def test_the_packed_model_carries_the_codec(run):
    (run / "random weights.th").unlink()
    packed = run / "exp/smoke/interleaved/packed"
    text = (run / "data/smoke/test_seen/text").read_text().splitlines()[0].split(" ", 1)
    prompt = dict(line.split(" ", 1) for line in (run / "dump/smoke/raw/test_seen/wav.scp").read_text().splitlines())
    synth = [sys.executable, "-m", "ellav.bin.main", "synth", "--model", packed, "--text", "The king sold a carpet."]
    out = run / "out.wav"
    done = subprocess.run(
        [*synth, "--prompt", prompt[text[0]], "--prompt-text", text[1], "--out", out],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 44
