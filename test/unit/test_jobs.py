"""Kaldi's call, and its jobs on this machine."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ellav.bin.main import main
from ellav.errors import UserError
from ellav.jobs.call import parse_call
from ellav.jobs.slurm import _ranges, _script
from ellav.jobs.state import State


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def call(*words):
    return main(["jobs", "local", *words])


def test_kaldis_call():
    made = parse_call(["--mem=4G", "-pgpu", "JOB=2:4", "log/x.JOB.log", "echo", "JOB", "--of=JOB", "JOB=1:2"])
    assert made.options == ["--mem=4G", "-pgpu"] and list(made.numbers) == [2, 3, 4]
    assert made.log_of(3) == "log/x.3.log" and made.command_of(3) == ["echo", "3", "--of=3", "3=1:2"]
    alone = parse_call(["JOB.log", "echo", "JOB"])
    assert alone.log_of(1) == "JOB.log" and alone.command_of(1) == ["echo", "JOB"] and list(alone.numbers) == [1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "the name of a log is wanted"),
        (
            ["--partition", "gpu", "x.log", "true"],
            "ends in .log, not 'gpu'; options before it are written --name=value",
        ),
        (["JOB=1:x", "JOB.log", "true"], "'JOB=1:x': write the numbers of the jobs as JOB=1:8"),
        (["JOB=3:2", "JOB.log", "true"], "begin with 1 and do not go down"),
        (["JOB=0:2", "JOB.log", "true"], "begin with 1 and do not go down"),
        (["JOB=1:2", "x.log", "true"], "x.log: all jobs of the array would write it; put JOB into its name"),
        (["JOB=1:2", "JOB.log"], "JOB.log: no command follows the log"),
    ],
)
def test_a_call_that_is_none(words, message):
    with pytest.raises(UserError) as error:
        parse_call(words)
    assert message in str(error.value)


def test_what_failed_is_run_again_and_nothing_else(capsys):
    command = ["JOB=1:3", "log/x.JOB.log", "sh", "-c", "echo once >> JOB; echo JOB; [ JOB != 2 ] || [ -e mended ]"]
    assert call(*command) == 1
    assert capsys.readouterr().err.splitlines() == [
        "job 2: exit status 1; log/x.2.log: 2",
        "ellav jobs: 1 of 3 jobs failed; the same command runs these again and no others",
    ]
    Path("mended").touch()
    assert call(*command) == 0
    assert [Path(name).read_text().count("once") for name in "123"] == [1, 2, 1]
    assert call(*command) == 0  # of what is complete nothing is remembered: the command knows what is up to date
    assert [Path(name).read_text().count("once") for name in "123"] == [2, 3, 2]
    assert sorted(path.name for path in Path("log").iterdir()) == ["x.1.log", "x.2.log", "x.3.log"]


def test_another_command_begins_anew():
    for work in ("[ JOB = 1 ]", "[ JOB = 1 ] && touch done"):
        assert call("JOB=1:2", "x.JOB.log", "sh", "-c", work) == 1
    assert Path("done").exists()


def test_no_such_program_and_no_option(capsys):
    assert call("JOB=1:1", "x.JOB.log", "nosuchprogram") == 1
    assert call("--mem=3", "JOB=1:1", "x.JOB.log", "true") == 1
    assert capsys.readouterr().err.splitlines() == [
        "ellav jobs: nosuchprogram: no such file or directory",
        "ellav jobs: --mem=3: jobs on this machine have no options",
    ]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_job_too(number):
    command = [sys.executable, "-m", "ellav.bin.main", "jobs", "local", "JOB=1:2", "x.JOB.log"]
    work = "trap 'echo ended; exit 1' TERM; echo $$; while :; do sleep 0.05; done"
    process = subprocess.Popen([*command, "sh", "-c", work], stderr=subprocess.PIPE, text=True)
    while not (Path("x.1.log").exists() and Path("x.1.log").read_text()):
        assert process.poll() is None
    process.send_signal(number)
    assert process.wait(timeout=30) == 128 + number
    assert "the same command makes what is missing" in process.stderr.read()
    pid, said = Path("x.1.log").read_text().splitlines()
    assert said == "ended" and not Path(f"/proc/{pid}").exists() and not Path("x.2.log").exists()


def test_numbers_of_an_array():
    assert _ranges([1, 2, 3, 7, 9, 10]) == "1-3,7,9-10"
    assert _ranges([4]) == "4"


def test_the_script_of_a_job_runs_its_command_and_writes_its_status():
    made = parse_call(
        ["JOB=1:9", "JOB.log", "sh", "-c", 'printf "%s," "$@"; exit JOB', "it's", "JOB JOB", "", "$HOME", "a\nb"]
    )
    state = State(made)
    state.folder.mkdir(parents=True)
    environment = {**os.environ, "SLURM_ARRAY_TASK_ID": "5"}
    done = subprocess.run(["sh"], input=_script(made, state), capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stdout, done.stderr) == (5, "5 5,,$HOME,a\nb,", "")
    assert state.status(5) == 5 and state.missing() == list(range(1, 10))


def test_a_command_on_several_nodes(tmp_path):
    """srun starts it on each; what fails is what the command said, not what srun says of it."""
    submit = 'for word; do case "$word" in --n*) echo "$word" ;; esac; done > options; cat > script; '
    run = "SLURM_ARRAY_TASK_ID=1 SLURM_CPUS_PER_TASK=3 sh script > x.log 2>&1; echo 17"
    node = (
        'echo "$@" > words; while [ "${1##*/}" != sh ]; do shift; done; "$@"; s=$?; echo "srun: error: Exited"; exit $s'
    )
    environment = stand_in(tmp_path / "bin", sbatch=submit + run, squeue=GONE, srun=node)
    command = [sys.executable, "-m", "ellav.bin.main", "jobs", "slurm", "--num-nodes=4", "x.log"]
    done = subprocess.run(
        [*command, "sh", "-c", "echo no good; exit 3"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines() == ["ellav jobs: exit status 3; x.log: no good"]
    assert Path("options").read_text().split() == ["--nodes=4", "--ntasks-per-node=1"]
    assert Path("words").read_text().startswith("--kill-on-bad-exit=1 --wait=0 --cpus-per-task=3 --quiet ")


def test_without_slurm(monkeypatch, capsys):
    monkeypatch.setenv("PATH", "/nowhere")
    assert main(["jobs", "slurm", "x.log", "true"]) == 1
    assert capsys.readouterr().err == (
        "ellav jobs: no program sbatch on this machine: jobs are submitted from one of the cluster's\n"
    )


def stand_in(folder, **programs):
    """Programs of Slurm's names, as scripts, before all others on PATH."""
    folder.mkdir()
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}


GONE = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1"


def test_interrupted_while_slurm_takes_the_jobs(tmp_path):
    """They are cancelled all the same: Ctrl-C waits for their number."""
    cancel = f"echo $1 > {tmp_path}/cancelled"
    environment = stand_in(tmp_path / "bin", sbatch="kill -INT $PPID; sleep 0.3; echo 17", squeue=GONE, scancel=cancel)
    command = [sys.executable, "-m", "ellav.bin.main", "jobs", "slurm", "x.log", "true"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 130 and "x.log: job 17 cancelled" in done.stderr
    assert Path("cancelled").read_text() == "17\n"


def test_jobs_that_slurm_has_forgotten(tmp_path):
    """What they wrote down tells how they ended."""
    submit = 'for word; do case "$word" in --array=*) echo "$word" ;; esac; done >> arrays; cat > script; '
    run = "for n in 1 2; do SLURM_ARRAY_TASK_ID=$n sh script; done; echo 17;cluster"
    environment = stand_in(tmp_path / "bin", sbatch=submit + run.replace(";cluster", "\\;cluster"), squeue=GONE)
    command = [sys.executable, "-m", "ellav.bin.main", "jobs", "slurm", "--max-jobs-run=9", "JOB=1:3", "x.JOB.log"]
    done = subprocess.run(
        [*command, "sh", "-c", "exit $((JOB - 1))"], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.stderr.splitlines() == [
        "job 2: exit status 1; x.2.log: no log",
        "job 3: gone: Slurm does not know it; x.3.log: no log",
        "ellav jobs: 2 of 3 jobs failed; the same command runs these again and no others",
    ]
    assert Path("arrays").read_text() == "--array=1-3%9\n" and "submitted to Slurm as 17\n" in done.stdout


@pytest.mark.parametrize("given", ["0", "many", ""])
@pytest.mark.parametrize(("option", "what"), [("--max-jobs-run", "jobs"), ("--num-nodes", "nodes")])
def test_a_number_that_is_none(option, what, given, capsys):
    assert main(["jobs", "slurm", f"{option}={given}", "JOB=1:3", "x.JOB.log", "true"]) == 1
    assert f"{option}={given}: not a number of {what}" in capsys.readouterr().err


def test_a_backend_that_is_none(capsys):
    assert main(["jobs", "sge", "x.log", "true"]) == 1
    assert "expected one of local, slurm, not 'sge'" in capsys.readouterr().err
