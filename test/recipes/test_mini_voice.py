"""Finetuning the model mini, from a new voice to a packed model, in a few steps."""

import json
import os
import subprocess
import sys
from pathlib import Path

from ellav.config import read_yaml
from ellav.infer.synthesizer import Synthesizer

ROOT = Path(__file__).resolve().parents[2]


def test_a_new_voice_in_ten_stages(tmp_path):
    places = [word for place in ("data", "dump", "exp") for word in (f"--{place}dir", str(tmp_path / place))]
    command = [str(ROOT / "egs/mini_voice/tts1/run.sh"), "--smoke", "--nj", "1", "--ngpu", "0", *places]
    command += ["--scorers", "stability rtf"]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    given, exp = ROOT / "ellav/pretrained/mini", tmp_path / "exp/smoke"
    assert "ar: begins with" in done.stdout and "65 of 65 phones" in done.stdout
    assert "1024 of 1024 codes" in done.stdout and done.stdout.count("new: nothing") == 2
    assert (tmp_path / "dump/smoke/tokens/list/tokens.txt").read_bytes() == (given / "list/tokens.txt").read_bytes()
    assert read_yaml(exp / "codec/codec.yaml")["adapted_from"] == read_yaml(given / "codec/codec.yaml")["fingerprint"]
    assert read_yaml(exp / "interleaved/ar/config.yaml")["model"]["width"] == 256
    assert json.loads((exp / "interleaved/results.json").read_text())["sets"]["test"]["synthesized"]
    voice = Synthesizer(exp / "interleaved/packed")
    assert len(voice("Good morning.").wav) > 0
