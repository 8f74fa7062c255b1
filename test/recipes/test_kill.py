"""Killed anywhere and started again, a recipe makes what it would have made; stopped by a signal it says so."""

import os
import random
import signal
import subprocess
import time

import pytest
import small

from ellav.testing.repeat import checksums


@pytest.mark.parametrize("stage", small.MADE)
def test_a_stage_killed_three_times_makes_the_same(whole, copy, stage):
    """The moments are drawn over the time that the uninterrupted run worked on what is not done yet."""
    root, rng, kills = copy(stage), random.Random(stage), 0
    for _ in range(12):
        work = {name: took for name, took in whole.seconds[stage].items() if not (root / name / "done.json").exists()}
        name = rng.choices(list(work), list(work.values()))[0]
        before, process = small.begun(root), small.start(root, stage)
        if small.wait_for(root, process, name, before):
            time.sleep(rng.random() * work[name])
        if process.poll() is None:
            small.kill(process)
            kills += 1
        if kills == 3:
            break
        if process.poll() == 0 or all((root / name / "done.json").exists() for name in work):
            small.clear(root, stage)  # it got through before its moment came, or all but
    assert kills == 3
    small.run(root, stage)
    assert checksums(root) == checksums(whole.root)


@pytest.mark.parametrize("stage, name", [(3, "dump/align/train"), (8, "exp/interleaved/decode/test_unseen")])
def test_sigterm_ends_a_stage_cleanly(whole, copy, stage, name):
    root = copy(stage)
    before, process = small.begun(root), small.start(root, stage)
    assert small.wait_for(root, process, name, before)
    time.sleep(whole.seconds[stage][name] / 3)
    process.terminate()  # the script alone: it passes the signal on
    assert process.wait(timeout=30) == 143
    said = small.said(root)
    assert "stopped by SIGTERM; the same command makes what is missing" in said and f"--stage {stage} goes on" in said
    assert "Traceback" not in said and not processes_of(process.pid)
    small.run(root, stage)
    assert checksums(root) == checksums(whole.root)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_training_saves_before_it_ends(whole, copy, number):
    root = copy(6)
    model, before = small.MADE[6][0], small.begun(root)
    process = small.start(root, 6)
    assert small.wait_for(root, process, model, before)
    while "\n5\t" not in (root / model / "losses.tsv").read_text() and process.poll() is None:
        time.sleep(0.002)
    if number == signal.SIGTERM:
        process.terminate()
    else:
        os.killpg(process.pid, number)  # as Ctrl-C does
    assert process.wait(timeout=60) == 128 + number
    said = small.said(root)
    step = int(said.partition("stopped by signal at step ")[2].partition(";")[0])
    assert 5 <= step < 60 and "the same command goes on from there" in said and "Traceback" not in said
    last = (root / model / "losses.tsv").read_text().splitlines()[-1]
    assert last.startswith(f"{step}\t")
    small.run(root, 6)
    rows = (root / model / "losses.tsv").read_text().splitlines()
    assert len({row.split("\t")[0] for row in rows if row.split("\t")[2] == "train/loss"}) == 60
    assert checksums(root) == checksums(whole.root)


def test_two_runs_in_one_folder(whole, copy):
    """The second one names the first; what a killed one leaves blocks nobody."""
    root = copy(6)
    model, before = small.MADE[6][0], small.begun(root)
    first = small.start(root, 6)
    assert small.wait_for(root, first, model, before)
    os.kill(first.pid, signal.SIGSTOP)
    trainers = processes_of(first.pid)
    for pid in trainers:
        os.kill(pid, signal.SIGSTOP)
    second = small.start(root, 6)
    assert second.wait(timeout=60) == 1
    said = small.said(root)
    holder = [pid for pid in trainers if f"process {pid} on {os.uname().nodename}" in said]
    assert holder and f"{model}: process" in said and "Traceback" not in said
    small.kill(first)
    small.run(root, 6)
    assert checksums(root) == checksums(whole.root)


def processes_of(group: int) -> list[int]:
    """The living processes of a group."""
    found = subprocess.run(["ps", "-eo", "pid=,pgid=,stat="], capture_output=True, text=True, check=True).stdout
    rows = [line.split() for line in found.splitlines()]
    return [int(pid) for pid, pgid, state in rows if int(pgid) == group and not state.startswith("Z")]
