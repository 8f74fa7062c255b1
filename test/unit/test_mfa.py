"""The aligner `mfa` up to the program's boundary: what it is given, and what is read back."""

import os
import sys

import numpy as np
import pytest
import soundfile as sf

from ellav.errors import UserError
from ellav.plugins.aligners import Alignment, AlignmentError, Recording, aligners
from ellav.plugins.text import text

# Checks its arguments and corpus as `mfa align` would, and gives each phone 0.1 s after a silence of 0.05 s.
FAKE = f"""#!{sys.executable}
import json, os, pathlib, sys
arguments = sys.argv[1:]
with open(os.environ["CALLS"], "a") as stream:
    stream.write(json.dumps(arguments) + "\\n")
assert arguments.pop(0) == "align" and "PYTHONPATH" not in os.environ
options = {{}}
while arguments[0].startswith("--"):
    name = arguments.pop(0)
    options[name] = None if name == "--clean" else arguments.pop(0)
corpus, dictionary, model, out = arguments
corpus, out = pathlib.Path(corpus), pathlib.Path(out)
assert options["--output_format"] == "long_textgrid" and options["--num_jobs"].isdigit(), options
if os.environ.get("FAIL", "never") in model:
    sys.exit("There was an error in the run, please see the log.")
words = dict(line.split("\\t") for line in open(dictionary, encoding="utf-8").read().splitlines())
for lab in sorted(corpus.rglob("*.lab")):
    assert lab.with_suffix(".flac").exists()
    phones = [phone for word in lab.read_text().split() for phone in words[word].split()]
    if "Z" in phones:
        continue
    intervals = [(0, 0.05, "")] + [(0.05 + 0.1 * i, 0.15 + 0.1 * i, phone) for i, phone in enumerate(phones)]
    end = intervals[-1][1]
    lines = ['File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0", f"xmax = {{end}}",
             "tiers? <exists>", "size = 1", "item []:", "    item [1]:", '        class = "IntervalTier"',
             '        name = "phones"', "        xmin = 0", f"        xmax = {{end}}",
             f"        intervals: size = {{len(intervals)}}"]
    for number, (a, b, label) in enumerate(intervals, 1):
        lines += [f"        intervals [{{number}}]:", f"            xmin = {{a}}", f"            xmax = {{b}}",
                  f'            text = "{{label}}"']
    grid = out / lab.parent.name / (lab.stem + ".TextGrid")
    grid.parent.mkdir(parents=True, exist_ok=True)
    grid.write_text("\\n".join(lines) + "\\n", encoding="utf-8")
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    path = tmp_path / "my mfa"
    path.write_text(FAKE)
    path.chmod(0o755)
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    return path


@pytest.fixture
def recordings(tmp_path):
    made = {}
    speak = text.create("g2p_en")
    sentences = ["They record the record.", "A cat sat.", "Wells rose.", "The cat, it sat."]
    for number, sentence in enumerate(sentences):
        wav = tmp_path / f"{number}.flac"
        sf.write(wav, np.zeros(4 * 16000), 16000)
        made[f"ann a-{number}"] = Recording(wav, 4.0, f"sp k{number // 2}", speak(sentence))
    return made


def calls(tmp_path):
    return (tmp_path / "calls").read_text().splitlines()


def test_our_pronunciations_come_back_with_times(tmp_path, program, recordings):
    aligner = aligners.create("mfa", {"model": "english_us_arpa", "command": f"'{program}'", "shard": 2})
    made = list(aligner.align_set(recordings, tmp_path, 3))
    assert len(calls(tmp_path)) == 2 and all('"--num_jobs", "3"' in call for call in calls(tmp_path))
    assert "mfa could not align it" in str(made[2]) and isinstance(made[2], AlignmentError)
    for result, recording in zip(made, recordings.values(), strict=True):
        if isinstance(result, Alignment):
            phones = [phone for phone in recording.phones.phones if phone != "sp"]
            assert result.ends[0] == pytest.approx(0.05) and result.ends[-1] == 4.0
            assert len(result.ends) == len(recording.phones.phones)
            assert result.ends[-2] == pytest.approx(0.05 + 0.1 * len(phones))


def test_what_is_done_is_not_done_again(tmp_path, program, recordings, monkeypatch):
    conf = {"model": "english_us_arpa", "command": f"'{program}'", "shard": 2}
    list(aligners.create("mfa", conf).align_set(dict(list(recordings.items())[:2]), tmp_path, 1))
    first = (tmp_path / "shard0000").stat().st_mtime_ns
    monkeypatch.setenv("FAIL", "english")
    with pytest.raises(UserError, match=r"ended with 1: There was an error in the run.*shard0001.log"):
        list(aligners.create("mfa", conf).align_set(recordings, tmp_path, 1))
    monkeypatch.delenv("FAIL")
    made = list(aligners.create("mfa", conf).align_set(recordings, tmp_path, 1))
    assert len(calls(tmp_path)) == 3 and len(made) == 4
    assert (tmp_path / "shard0000").stat().st_mtime_ns == first
    assert not list(tmp_path.glob("*.work"))


def test_a_speaker_is_in_one_part_only(recordings):
    from ellav.plugins.aligners.mfa import split

    assert split(recordings, 1) == [["ann a-0", "ann a-1"], ["ann a-2", "ann a-3"]]
    assert split(recordings, 4) == [list(recordings)]


def test_absent_it_says_how_to_get_it(tmp_path, recordings):
    aligner = aligners.create("mfa", {"model": "english_us_arpa", "command": "no-such-mfa"})
    with pytest.raises(UserError, match=r"no program 'no-such-mfa'; install it with tools/installers/install_mfa.sh"):
        list(aligner.align_set(recordings, tmp_path, 1))
    assert os.access(os.path.join(os.path.dirname(__file__), "../../tools/installers/install_mfa.sh"), os.X_OK)
