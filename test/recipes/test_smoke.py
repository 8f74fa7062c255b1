"""The whole recipe, from nothing to a packed model and a table of results, small."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

MINI = Path(__file__).resolve().parents[2] / "egs/mini/tts1"


def call(command, cwd=MINI, timeout=300):
    environment = {**os.environ, "ELLAV_VENV": sys.prefix}
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=timeout)


def recipe(folder, *options):
    places = [word for name in ("data", "dump", "exp") for word in (f"--{name}dir", str(folder / name))]
    done = call([MINI / "run.sh", "--smoke", "--nj", "2", *places, *map(str, options)], cwd=folder, timeout=600)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    """(finished process, folder of the run, seconds)."""
    folder = tmp_path_factory.mktemp("smoke run")  # the space is on purpose
    began = time.monotonic()
    return recipe(folder), folder, time.monotonic() - began


def test_it_ends_well_and_in_time(smoke):
    done, _, seconds = smoke
    assert "Successfully finished." in done.stdout
    for stage in range(1, 11):
        assert f"Stage {stage}: " in done.stdout
    assert seconds < 300 or os.getloadavg()[0] > 2.5  # a promise of the idle machine


def test_results_are_complete(smoke):
    _, folder, _ = smoke
    results = json.loads((folder / "exp/smoke/interleaved/results.json").read_text())
    for rows in results["sets"].values():
        assert set(rows) == {"recorded", "resynthesis", "synthesized", "shuffled", "silence", "other_reader"}
        assert rows["shuffled"]["wer"]["value"] >= 60  # a toy says nothing, whatever is heard of it
        assert rows["silence"]["wer"]["value"] >= 80
        assert {"wer", "similarity", "inf", "cut", "duration_ratio", "rtf"} <= set(rows["synthesized"])
    table = (folder / "exp/smoke/interleaved/RESULTS.md").read_text()
    assert results["environment"]["cpu"] in table and "./tts.sh" in table
    page = (folder / "exp/smoke/interleaved/report.html").read_text()
    assert "4 of 4 utterances" in page and "Machine-made" in page and len(page) < 10e6


def test_what_the_model_packs_speaks(smoke, tmp_path):
    _, folder, _ = smoke
    text = (folder / "data/smoke/test_seen/text").read_text().splitlines()[0].split(" ", 1)
    wav = dict(line.split(" ", 1) for line in (folder / "dump/smoke/raw/test_seen/wav.scp").read_text().splitlines())
    prompt = wav[text[0]]
    out = tmp_path / "out.wav"
    synth = [sys.executable, "-m", "ellav.bin.main", "synth", "--text", "The old king sold a carpet."]
    model = folder / "exp/smoke/interleaved/packed"
    done = call([*synth, "--model", model, "--prompt", prompt, "--prompt-text", text[1], "--out", out])
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 44


def test_bench_prints_speeds_of_what_was_trained(smoke):
    _, folder, _ = smoke
    places = ["--ar", "exp/smoke/interleaved/ar", "--data", "dump/smoke/tokens/test_seen", "--tokens"]
    command = [sys.executable, "-m", "ellav.bin.main", "bench", "decode", *places, "dump/smoke/tokens/list"]
    command += ["--batch", "1", "--limit", "2", "--repeats", "1", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["name"] for row in rows] == ["AR engine", "AR reference"]
    assert all(row["tokens_per_second"] > 0 and row["floor_seconds"] > 0 for row in rows)


def test_continuation_stands_beside(smoke):
    _, folder, _ = smoke
    decoded = folder / "exp/smoke/interleaved/decode/test_seen/done.json"
    before = decoded.read_text()
    recipe(folder, "--stage", "8", "--stop-stage", "9", "--continuation")
    assert decoded.read_text() == before
    results = json.loads((folder / "exp/smoke/interleaved/results.json").read_text())
    assert set(results["sets"]) == set(results["continuation"]["sets"])
    facts = (folder / "exp/smoke/interleaved/decode_continuation/test_seen/facts.jsonl").read_text().splitlines()
    for fact in map(json.loads, facts):
        assert fact["prompt"] == fact["id"] and fact["prompt_frames"] == 150


def test_a_second_run_repeats_nothing(smoke):
    _, folder, _ = smoke
    recipe(folder)  # what other tests left is in its results, of which the model card is made
    before = {path: path.stat().st_mtime_ns for path in (folder / "exp").rglob("*.safetensors")}
    recipe(folder)
    assert before == {path: path.stat().st_mtime_ns for path in (folder / "exp").rglob("*.safetensors")}


@pytest.mark.parametrize(
    ("ordering", "conf", "tells_times"), [("grouped", ["--ordering_conf", "group=4"], False), ("word_block", [], True)]
)
def test_other_orderings_run_on_what_is_there(smoke, tmp_path, ordering, conf, tells_times):
    _, folder, _ = smoke
    recipe(folder, "--stage", "5", "--ordering", ordering, *conf)
    results = json.loads((folder / f"exp/smoke/{ordering}/results.json").read_text())
    for rows in results["sets"].values():
        assert {"wer", "inf", "cut", "duration_ratio", "rtf"} <= set(rows["synthesized"])
    for name in results["sets"]:
        decoded = folder / f"exp/smoke/{ordering}/decode/{name}"
        spoken = len((decoded / "facts.jsonl").read_text().splitlines())
        assert spoken == len((decoded / "wav.scp").read_text().splitlines()) > 0
        assert len(list((decoded / "textgrid").iterdir())) == (spoken if tells_times else 0)
    out = tmp_path / "out.wav"
    utterance, said = (folder / "data/smoke/test_seen/text").read_text().splitlines()[0].split(" ", 1)
    raw = (folder / "dump/smoke/raw/test_seen/wav.scp").read_text().splitlines()
    prompt = dict(line.split(" ", 1) for line in raw)[utterance]
    synth = [sys.executable, "-m", "ellav.bin.main", "synth", "--text", "The old king sold a carpet.", "--out", out]
    model = folder / f"exp/smoke/{ordering}/packed"
    done = call([*synth, "--model", model, "--prompt", prompt, "--prompt-text", said])
    assert done.returncode == 0, done.stderr
    assert out.stat().st_size > 44


def test_an_aligner_that_learns_goes_into_the_model(smoke, tmp_path):
    _, folder, _ = smoke
    for name in ("dump", "exp"):  # its own, as the others' are made with another alignment
        shutil.copytree(folder / name, tmp_path / name)
    shutil.rmtree(tmp_path / "exp/smoke/interleaved")
    places = ["--dumpdir", tmp_path / "dump", "--expdir", tmp_path / "exp", "--aligner", "trained"]
    recipe(folder, *places, "--stage", "3", "--stop-stage", "7")
    recipe(folder, *places, "--stage", "10")
    packed = tmp_path / "exp/smoke/interleaved/packed"
    assert (packed / "aligner/model.safetensors").stat().st_size > 10000
    shutil.move(packed, tmp_path / "moved")
    shutil.rmtree(tmp_path / "exp")
    said = dict(line.split(" ", 1) for line in (folder / "data/smoke/train/text").read_text().splitlines())
    wavs = dict(line.split(" ", 1) for line in (folder / "dump/smoke/raw/train/wav.scp").read_text().splitlines())
    utterance = min(wavs)
    synth = [sys.executable, "-m", "ellav.bin.main", "synth", "--text", "The old king sold a carpet."]
    prompt = ["--prompt", wavs[utterance], "--prompt-text", said[utterance]]
    done = call([*synth, "--model", tmp_path / "moved", *prompt, "--out", tmp_path / "out.wav"])
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out.wav").stat().st_size > 44
