"""Jobs on a real Slurm of two nodes: what goes wrong is one line, and the same command goes on."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

RUNNER = [sys.executable, "-m", "ellav.bin.main", "jobs", "slurm"]


@pytest.fixture
def cluster(slurm, tmp_path, monkeypatch):
    """A folder to work in, with Slurm at hand; how nodes and partitions are is mended afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ("PATH", "SLURM_CONF"):
        monkeypatch.setenv(name, slurm[name])
    yield tmp_path
    control("partitionname=main", "state=up")
    if "drain" in answer("sinfo", "--noheader", "--format=%T"):
        control(f"nodename={nodes()}", "state=resume")
    subprocess.run(["scancel", "--user=root"], check=True)


def answer(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def control(*what):
    subprocess.run(["scontrol", "update", *what], check=True)


def nodes():
    return answer("sinfo", "--noheader", "--format=%N")


def start(*words):
    """`ellav jobs slurm` with what it says in files."""
    with open("out", "w") as out, open("err", "w") as err:
        return subprocess.Popen([*RUNNER, *words], stdin=subprocess.DEVNULL, stdout=out, stderr=err)


def ended(process, seconds=60):
    """Its exit status, and the lines of both its outputs."""
    status = process.wait(timeout=seconds)
    return status, Path("out").read_text().splitlines(), Path("err").read_text().splitlines()


def until(condition, seconds=60):
    """Wait for something; returns it."""
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, Path("out").read_text() + Path("err").read_text()
        time.sleep(0.05)
    return found


def submitted():
    """The number of the jobs that were submitted last."""
    return until(lambda: re.findall(r"submitted to Slurm as (\d+)", Path("out").read_text()))[-1]


def test_only_what_failed_is_run_again(cluster):
    work = ["sh", "-c", "echo JOB of $SLURM_CPUS_PER_TASK; [ JOB != 2 ] || [ -e mended ]"]
    call = ["--cpus-per-task=2", "--max-jobs-run=2", "JOB=1:3", "log/work.JOB.log", *work]
    status, out, err = ended(start(*call))
    assert status == 1 and "3 of 3 jobs submitted" in out[0]
    assert err == [
        "job 2: exit status 1; log/work.2.log: 2 of 2",
        "ellav jobs: 1 of 3 jobs failed; the same command runs these again and no others",
    ]
    logs = [Path(f"log/work.{number}.log") for number in (1, 2, 3)]
    assert [log.read_text() for log in logs] == ["1 of 2\n", "2 of 2\n", "3 of 2\n"]
    before = [log.stat().st_mtime_ns for log in logs]
    Path("mended").touch()
    status, out, err = ended(start(*call))
    assert (status, err) == (0, []) and "1 of 3 jobs submitted" in out[0]
    assert [log.stat().st_mtime_ns == time for log, time in zip(logs, before, strict=True)] == [True, False, True]
    assert sorted(path.name for path in Path("log").iterdir()) == [log.name for log in logs]


def test_words_reach_their_command_as_they_are(cluster):
    words = ["it's", "", 'a "b" $HOME\n*', "-n", "%j \\ JOB"]
    call = ["JOB=4:5", "log with 100 %/x.JOB.log", sys.executable, "-c", "import sys; print(sys.argv[1:])", *words]
    assert ended(start(*call))[0] == 0
    for number in ("4", "5"):
        said = Path(f"log with 100 %/x.{number}.log").read_text()
        assert said == f"{[word.replace('JOB', number) for word in words]}\n"


def test_one_command_speaks_to_the_terminal(cluster):
    status, out, err = ended(start("one.log", "sh", "-c", "echo JOB; echo no good >&2; exit 7"))
    assert status == 1 and out[1:] == ["JOB", "no good"]
    assert err == ["ellav jobs: exit status 7; one.log: no good"]


def test_refused(cluster):
    call = ["JOB=1:2", "log/x.JOB.log", "true"]
    status, out, err = ended(start("--partition=nowhere", *call))
    assert (status, out) == (1, []) and len(err) == 1
    assert err[0].startswith("ellav jobs: Slurm refused the jobs of log/x.JOB.log: ") and "partition" in err[0]
    assert ended(start(*call))[0] == 0


def test_drained_nodes(cluster):
    control(f"nodename={nodes()}", "state=drain", "reason=test")
    process = start("JOB=1:2", "log/x.JOB.log", "true")
    until(lambda: "2 of 2 wait: " in Path("err").read_text())
    control(f"nodename={nodes()}", "state=resume")
    status, _, err = ended(process)
    assert status == 0 and len(err) == 1 and "DRAINED" in err[0].upper()


def test_never_starting_and_interrupted(cluster):
    call = ["JOB=1:2", "log/x.JOB.log", "true"]
    control("partitionname=main", "state=down")
    process = start(*call)
    until(lambda: "2 of 2 wait: PartitionDown" in Path("err").read_text())
    process.send_signal(signal.SIGINT)
    status, _, err = ended(process)
    assert status == 130 and len(err) == 3
    assert err[1:] == [
        f"log/x.JOB.log: job {submitted()} cancelled",
        "ellav jobs: stopped by SIGINT; the same command makes what is missing",
    ]
    assert answer("squeue", "--noheader") == ""
    control("partitionname=main", "state=up")
    status, out, _ = ended(start(*call))
    assert status == 0 and "2 of 2 jobs submitted" in out[0]


def test_killed_jobs(cluster):
    """By scancel, and by the kernel."""
    work = "echo begun; [ -e mended ] || { [ JOB = 3 ] || sleep 60; [ JOB = 1 ] || kill -9 $$; }"
    call = ["JOB=1:3", "log/x.JOB.log", "sh", "-c", work]
    process = start(*call)
    until(lambda: all(Path(f"log/x.{number}.log").exists() for number in (1, 2, 3)))
    subprocess.run(["scancel", f"{submitted()}_[1-2]"], check=True)
    status, _, err = ended(process)
    assert status == 1 and err == [
        "job 1: cancelled; log/x.1.log: " + last("log/x.1.log"),
        "job 2: cancelled; log/x.2.log: " + last("log/x.2.log"),
        "job 3: exit status 137; log/x.3.log: " + last("log/x.3.log"),
        "ellav jobs: 3 of 3 jobs failed; the same command runs these again and no others",
    ]
    Path("mended").touch()
    assert ended(start(*call))[0] == 0


def last(log):
    return Path(log).read_text().splitlines()[-1].strip()


def test_jobs_outlive_whoever_waits_for_them(cluster):
    """As where a terminal is closed: the same command finds them again."""
    its_number = "env | sed -n s/SLURM_ARRAY_J.B_ID=//p"
    call = ["JOB=1:2", "log/x.JOB.log", "sh", "-c", f"until [ -e go ]; do sleep 0.1; done; {its_number}"]
    process = start(*call)
    job = submitted()
    until(lambda: all(Path(f"log/x.{number}.log").exists() for number in (1, 2)))
    process.kill()
    process.wait()
    process = start(*call)
    until(lambda: f"going on with job {job}" in Path("out").read_text())
    Path("go").touch()
    status, out, _ = ended(process)
    assert status == 0 and len(out) == 1
    assert [Path(f"log/x.{number}.log").read_text() for number in (1, 2)] == [f"{job}\n"] * 2


def test_slurm_does_not_answer(cluster):
    """Its controller ends and is started again while a job runs."""
    folder = Path(os.environ["SLURM_CONF"]).parent
    process = start("x.log", "sh", "-c", "echo begun; until [ -e go ]; do sleep 0.1; done")
    until(lambda: Path("x.log").exists() and Path("x.log").read_text())
    os.kill(int((folder / "slurmctld.pid").read_text()), signal.SIGTERM)
    try:
        until(lambda: "Slurm does not answer; waiting for it" in Path("err").read_text())
    finally:
        subprocess.run(["slurmctld", "-f", folder / "slurm.conf"], check=True)
    Path("go").touch()
    status, _, err = ended(process)
    assert status == 0 and len(err) == 1


def test_jobs_of_another_call_do_not_count(cluster):
    process = start("JOB=1:1", "x.JOB.log", "sh", "-c", "until [ -e go ]; do sleep 0.1; done")
    until(lambda: Path("x.1.log").exists())
    process.kill()
    process.wait()
    process = start("JOB=1:1", "x.JOB.log", "sh", "-c", "until [ -e go ]; do sleep 0.1; done; sleep 3; echo other")
    submitted()
    Path("go").touch()
    assert ended(process)[0] == 0 and Path("x.1.log").read_text() == "other\n"


def test_two_that_run_one_call(cluster):
    first = start("x.log", "sh", "-c", "until [ -e go ]; do sleep 0.1; done")
    submitted()
    with open("second", "w") as said:
        second = subprocess.run([*RUNNER, "x.log", "true"], stdout=said, stderr=said, timeout=60)
    assert second.returncode == 1 and f"process {first.pid} on " in Path("second").read_text()
    Path("go").touch()
    assert ended(first)[0] == 0
