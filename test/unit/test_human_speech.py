"""The measurement on human speech, tried on four voices of flite: people's recordings are not part of the project."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
import human_speech

from ellav.bin import fit_codec
from ellav.data.kaldi import DataFolder
from ellav.infer.bundle import PRETRAINED
from ellav.plugins.scorers import scorers

TEXT = "the train leaves the station every morning. she asked him to open the window because the room was warm"
VOICES = ("slt", "rms", "awb", "kal16")


@pytest.fixture(scope="module")
def readers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readers")
    for voice in VOICES:
        subprocess.run(["flite", "-voice", voice, "-t", TEXT, "-o", str(folder / "a.wav")], check=True)
        soundfile.write(folder / f"{voice}-1-1.flac", *soundfile.read(folder / "a.wav"))
    return folder


def folder_of(wavs: dict[str, str], folder: Path) -> Path:
    folder.mkdir()
    DataFolder(wavs, dict.fromkeys(wavs, TEXT), {u: u.split("-")[0] for u in wavs}).write(folder)
    return folder


def test_all_parts_are_measured(readers, tmp_path, monkeypatch):
    wavs = {path.stem: str(path) for path in sorted(readers.glob("*.flac"))}
    data = folder_of(wavs, tmp_path / "data")
    own = folder_of(dict(list(wavs.items())[:1]), tmp_path / "own")
    conf = ["size=64", "codebooks=3", "training_frames=1000"]
    fit_codec.main(["--data", str(data), "--out", str(tmp_path / "codec"), "--codec_conf", *conf])
    out = tmp_path / "out.md"
    arguments = ["--data", str(readers), "--codec", str(tmp_path / "codec"), "--out", str(out)]
    arguments += ["--model", str(PRETRAINED.with_name("mini")), "--own-prompts", str(own)]
    monkeypatch.setattr(sys, "argv", ["human_speech.py", *arguments, "--json", str(tmp_path / "out.json")])
    human_speech.main()
    made = json.loads((tmp_path / "out.json").read_text())
    recorded, known, other = made["Codec resynthesis"].values()
    assert recorded["similarity"]["value"] == pytest.approx(1)
    for row in (known, other):
        assert 0.2 < row["similarity"]["value"] < 0.999
        assert 0.2 < row["STOI"]["value"] < 1 and 1 <= row["PESQ (wide band)"]["value"] < 4.5
    recorded, _, known, _ = made["Alignment"].values()
    assert recorded["aligned, %"]["value"] == 100
    assert recorded["phone, ms"]["value"] == pytest.approx(80, abs=30)
    assert 0 < known["boundary moved, ms"]["value"] < 100
    assert list(made["Synthesis"]) == ["human prompts", "prompts of the model's own corpus"]
    for row in made["Synthesis"].values():
        assert row["spoken, %"]["value"] == 100 and 0 <= row["WER, %"]["value"] <= 100
        assert 0.3 < row["similarity"]["value"] < 1
    text = out.read_text()
    assert "--data DIR" in text and str(readers) not in text


def test_the_rank_counts_those_who_are_nearer():
    class Voices(human_speech.Judge):
        def __init__(self):
            self.embed = lambda wav, rate: wav
            self.quality = scorers.create("rtf")
            self.names, self.voices = ["a", "b", "c"], np.eye(3)

    made = Voices()("b", np.array([0.6, 0.5, 0.1]), np.array([0, 1, 0]))
    assert made["rank of the reader"] == 2 and made["own reader first, %"] == 0
    assert made["similarity"] == pytest.approx(0.5)
