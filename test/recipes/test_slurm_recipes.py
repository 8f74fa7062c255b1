"""Recipes on a real Slurm of two nodes: what their stages make over shards, and train, is what they make here."""

import os
import re
import shutil
import signal
import time
from pathlib import Path

import miniature
import pytest
import small

from ellav.testing.repeat import checksums


def by_slurm(root, slurm, *options):
    """What jobs may use, written into a recipe; environment variables by which it works with Slurm."""
    (root / "conf").mkdir(exist_ok=True)
    lines = (f"{kind} --job-name=ellav --cpus-per-task=1 {' '.join(options)}\n" for kind in KINDS)
    (root / "conf/slurm.conf").write_text("".join(lines))
    return {**slurm, "cmd_backend": "slurm"}


KINDS = ("train_cmd", "cuda_cmd", "decode_cmd")


@pytest.fixture(scope="module")
def both(whole, slurm, tmp_path_factory):
    """Recipes whose sets have two shards: one ran here, one by Slurm, where a stage was refused and one was stopped."""
    roots = {}
    for backend in ("local", "slurm"):
        roots[backend] = tmp_path_factory.mktemp("shards") / backend / "egs/mini/tts1"
        small.lay_out(roots[backend])
        shutil.copytree(whole.root / "data", roots[backend] / "data")
    for stage in range(2, 6):
        small.run(roots["local"], stage, *SHARDS)
    root = roots["slurm"]
    settings = by_slurm(root, slurm, "--partition=none")
    assert small.start(root, 2, *SHARDS, **settings).wait(timeout=120) == 1
    assert "Slurm refused the jobs of dump/log/shards_train.log: " in small.said(root)
    assert "Traceback" not in small.said(root) and "--stage 2 goes on" in small.said(root)
    by_slurm(root, slurm)
    small.run(root, 2, *SHARDS, **settings)
    process = small.start(root, 3, *SHARDS, **settings)
    until_said(root, "dump/log/align_train.JOB.log: 2 of 2 jobs submitted")
    process.terminate()
    assert process.wait(timeout=90) == 143 and "--stage 3 goes on" in small.said(root)
    for stage in range(3, 6):
        small.run(root, stage, *SHARDS, **settings)
    return roots


SHARDS = ("--shards", "2")


def test_stages_2_to_5_over_shards_are_what_they_are_here(both):
    made = {backend: stages(root) for backend, root in both.items()}
    assert made["slurm"] == made["local"]
    for set in ("train", "test_unseen"):
        assert any(name.startswith(f"dump/codes/{set}/shards/0002-of-0002/") for name in made["slurm"])


def test_decoding_and_scores_are_what_they_are_here(both, slurm):
    """Stages 8 and 9, of one trained model, on a test set of two shards."""
    for stage in (6, 7):
        small.run(both["local"], stage, *SHARDS)
    for model in ("ar", "nar"):
        shutil.copytree(both["local"] / f"exp/interleaved/{model}", both["slurm"] / f"exp/interleaved/{model}")
    for stage in (8, 9):
        small.run(both["local"], stage, *SHARDS)
        small.run(both["slurm"], stage, *SHARDS, **by_slurm(both["slurm"], slurm))
    made = {backend: scores(root) for backend, root in both.items()}
    assert made["slurm"] == made["local"]
    assert any("decode/test_unseen" in name for name in made["slurm"])
    assert "interleaved/results.json" in made["slurm"]
    tables = [(root / "exp/interleaved/RESULTS.md").read_text().splitlines() for root in both.values()]
    assert len(tables[0]) == len(tables[1])


FEW = "--train_conf max_steps=4"
LIGHT = (
    *("--nj", "1", "--ngpu", "0", "--shards", "2", "--max-rejected", "0.5", "--local-data-opts", "--hours 1"),
    *("--valid-readers", "84", "--held-out-readers", "777", "--text_conf", "stress=false"),
    *("--codec_conf", "codebooks=2", "size=64", "frames_seen=1000"),
    *("--train-config", "tiny.yaml", "--train-args", FEW, "--nar-args", FEW, "--inference-args", "--limit 4"),
    *("--scorers", "wer stability rtf", "--score-args", "--transcriber pocketsphinx"),
)
"""Of Libri-Light's recipe, for a corpus of two utterances a reader."""


def test_libri_light_over_shards_is_what_it_is_here(slurm, tmp_path):
    """Stages 2 to 5, and 9 of what was spoken here: a corpus with segments, and a codec that learns by gradient."""
    spoken = miniature.speak(5)  # with these, the other sets have no phone that training lacks
    said = [one for one in spoken if one.reader != "84"] + [one for one in spoken if one.reader == "84"][:2]
    miniature.librilight(tmp_path / "light", said)
    miniature.libriheavy(tmp_path / "heavy", tmp_path / "light", said)
    where = ("--librilight", str(tmp_path / "light"), "--libriheavy", str(tmp_path / "heavy"))
    roots = {backend: tmp_path / backend / "egs/librilight/tts1" for backend in ("local", "slurm")}
    for root in roots.values():
        small.lay_out(root, "librilight")
    settings = by_slurm(roots["slurm"], slurm)

    def run(root, first, last, **settings):
        small.run(root, first, *where, "--stop-stage", str(last), options=LIGHT, seconds=900, **settings)

    run(roots["local"], 1, 5)
    shutil.copytree(roots["local"] / "data", roots["slurm"] / "data")
    run(roots["slurm"], 2, 5, **settings)
    made = {backend: stages(root) for backend, root in roots.items()}
    assert made["slurm"] == made["local"]
    for part in ("train/shards/0002-of-0002", "test_unseen/shards/0002-of-0002", "valid/shards/0001-of-0001"):
        assert f"dump/codes/{part}/codes.scp" in made["slurm"]
    run(roots["local"], 6, 8)
    run(roots["local"], 9, 9)
    for name in ("ar", "nar", "decode"):
        shutil.copytree(roots["local"] / "exp/interleaved" / name, roots["slurm"] / "exp/interleaved" / name)
    run(roots["slurm"], 9, 9, **settings)
    made = {backend: scores(root) for backend, root in roots.items()}
    assert made["slurm"] == made["local"]
    assert {"lm/lm.arpa", "interleaved/results.json"} < set(made["slurm"])


TWO = ("--train-args", "--train_conf max_steps=200 save_every=20 valid_every=50")


def test_two_nodes_train_what_two_processes_do(whole, slurm, tmp_path):
    """One process is killed on the way: one line, and the same command goes on."""
    roots = {}
    for backend in ("local", "slurm"):
        roots[backend] = tmp_path / backend / "egs/mini/tts1"
        shutil.copytree(whole.root, roots[backend], symlinks=True)
        small.clear(roots[backend], 6)
    small.run(roots["local"], 6, *TWO, "--ngpu", "2")
    root, settings = roots["slurm"], by_slurm(roots["slurm"], slurm)
    several = (*TWO, "--num-nodes", "2", "--ngpu", "0")
    process = small.start(root, 6, *several, **settings)
    until_said(root, "submitted to Slurm as ")
    job = re.findall(r"submitted to Slurm as (\d+)", small.said(root))[-1]
    end = time.monotonic() + 200
    while not (root / "exp/interleaved/ar/state.pt").exists():
        assert process.poll() is None and time.monotonic() < end, small.said(root)
        time.sleep(0.02)
    (second,) = processes_of(job, 1)
    os.kill(second, signal.SIGKILL)
    killed = time.monotonic()
    assert process.wait(timeout=60) == 1 and time.monotonic() - killed < 60
    lines = small.said(root).splitlines()
    told = [line for line in lines if line.startswith("ellav train: ") and "killed" in line]
    assert len(told) == 1 and re.search(r"process 1 was killed \(SIGKILL\); the same command goes on from", told[0])
    (final,) = (line for line in lines if line.startswith("ellav jobs: "))
    assert final.endswith(told[0]) and "Traceback" not in small.said(root)
    assert "out of reach" not in small.said(root) and "stopped by" not in small.said(root)
    small.run(root, 6, *several, **settings)
    made = {backend: checksums(root / "exp/interleaved/ar") for backend, root in roots.items()}
    assert made["slurm"] == made["local"]


def processes_of(job, rank):
    """The processes of a job that train as number `rank`."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            settings = path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            continue
        if f"RANK={rank}".encode() in settings and f"SLURM_ARRAY_JOB_ID={job}".encode() in settings:
            found.append(int(path.parent.name))
    return found


def until_said(root, what):
    end = time.monotonic() + 200
    while what not in small.said(root):
        assert time.monotonic() < end, small.said(root)
        time.sleep(0.05)


def stages(root):
    """What stages 2 to 5 made."""
    return {
        name: sum for name, sum in checksums(root).items() if name.startswith(("dump/", "exp/")) and "/log/" not in name
    }


def scores(root):
    """What models spoke, and what was said of it."""
    return {name: sum for name, sum in checksums(root / "exp").items() if "/log/" not in name}
