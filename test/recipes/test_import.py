"""Stages 3 to 5 of the recipe with characters for phones and an alignment made elsewhere."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile as sf

from ellav.data.kaldi import DataFolder, read_table
from ellav.infer.textgrid import write_textgrid
from ellav.plugins.text import text
from ellav.testing.codec import sound

MINI = Path(__file__).resolve().parents[2] / "egs/mini/tts1"
SENTENCES = ["Größe, ja.", "Jörg sah rosa.", "Das Gras!"]


def make_set(root, name, count):
    """What stage 2 leaves, and TextGrids of characters of equal length after 0.1 s of silence."""
    rng = np.random.default_rng(len(name))
    raw = root / "dump/raw" / name
    raw.mkdir(parents=True)
    utterances = [f"anna-{name}-{number}" for number in range(count)]
    wavs = {utterance: str(raw / f"{utterance}.flac") for utterance in utterances}
    texts = {utterance: SENTENCES[number % 3] for number, utterance in enumerate(utterances)}
    for utterance, path in wavs.items():
        sf.write(path, sound(rng, 16000, 1.5), 16000)
        phones = text.create("characters")(texts[utterance])
        spoken = [place for place, owner in enumerate(phones.word_of_phone) if owner >= 0]
        lengths = np.array([0.1, *[1.4 / len(spoken)] * len(spoken)])
        labels = ["sil", *(phones.phones[place] for place in spoken)]
        owners = np.array([-1, *(phones.word_of_phone[place] for place in spoken)])
        (root / "grids/anna").mkdir(parents=True, exist_ok=True)
        write_textgrid(root / "grids/anna" / f"{utterance}.TextGrid", labels, owners, lengths, 1.0, phones.words)
    DataFolder(wavs, texts, dict.fromkeys(utterances, "anna")).write(raw)


def test_characters_and_textgrids_make_what_training_reads(tmp_path):
    root = tmp_path / "with space"
    for name, count in (("train", 9), ("valid", 3), ("test", 3)):
        make_set(root, name, count)
    stages = ["--stage", "3", "--stop-stage", "5", "--test_sets", "test", "--nj", "1", "--ngpu", "0"]
    folders = [word for name in ("data", "dump", "exp") for word in (f"--{name}dir", root / name)]
    parts = ["--text", "characters", "--aligner", "textgrid", "--aligner_conf", f"folder={root}/grids"]
    codec = ["--codec_conf", "size=16", "codebooks=2", "mel_bins=20", "training_frames=500"]
    command = [MINI / "run.sh", "--python", sys.executable, *stages, *folders, *parts, *codec]
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    known = (root / "dump/tokens/list/tokens.txt").read_text(encoding="utf-8").split()
    assert known == ["sp", *sorted(set("größejajörgsahrosadasgras".replace("ß", "ss")))]
    for name, count in (("train", 9), ("valid", 3), ("test", 3)):
        durations = read_table(root / "dump/tokens" / name / "durations")
        assert len(durations) == count
        for line in durations.values():
            frames = [int(number) for number in line.split()]
            assert sum(frames) == 75 and frames[0] == 5 and min(frames[1:-1]) >= 0
