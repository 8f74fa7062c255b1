"""Output folders: every moment at which a process may be killed, locks, full disks."""

import os
import signal
import subprocess
import sys
import time

import pytest

from ellav.bin.main import main
from ellav.data import outputs
from ellav.data.journal import Journal
from ellav.data.kaldi import read_table, write_table
from ellav.data.outputs import fingerprint, locked, writing
from ellav.data.rejected import Rejected, keep_good
from ellav.errors import UserError


def make(out, content="first", stage="2 (test)", inputs=()):
    """Make a folder; returns what was there of an earlier try, or None where it was up to date."""
    with writing(out, stage, {"content": content}, list(inputs)) as folder:
        if folder is None:
            return None
        before = sorted(path.name for path in folder.iterdir())
        (folder / "content").write_text(content)
        return before


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it, and `killing` takes care that nothing is cleaned up."""


def killing(monkeypatch, at):
    """Let the process "die" before its at-th change to folders."""
    calls = [0]

    def dying(function):
        def called(*given, **options):
            calls[0] += 1
            if calls[0] >= at:
                raise Killed
            return function(*given, **options)

        return called

    monkeypatch.setattr(outputs.os, "rename", dying(os.rename))
    monkeypatch.setattr(outputs.os, "replace", dying(os.replace))
    monkeypatch.setattr(outputs.shutil, "rmtree", dying(outputs.shutil.rmtree))
    monkeypatch.setattr(outputs.Path, "unlink", dying(outputs.Path.unlink))


@pytest.mark.parametrize("after", ["second", "first"])
def test_a_kill_anywhere_in_replacing_a_folder_is_mended(tmp_path_factory, monkeypatch, after):
    """Whether the next run has the new options or the old ones again."""
    at, killed = 0, True
    while killed:
        at, killed = at + 1, False
        root = tmp_path_factory.mktemp("root")
        out = root / "out"
        make(out)
        with monkeypatch.context() as patched:
            killing(patched, at)
            try:
                make(out, "second")
            except Killed:
                killed = True
        make(out, after)
        assert (out / "content").read_text() == after
        assert sorted(path.name for path in out.iterdir()) == ["content", "done.json"]
        if after == "second":
            assert [path.name for path in root.iterdir()] == ["out"], at
        assert make(out, after) is None
    assert at > 6, "the kills are to reach every step"


def test_a_complete_folder_is_not_made_again(tmp_path):
    """Killed between the two renames, and before them."""
    out = tmp_path / "out"
    make(out, "second")
    os.rename(out, tmp_path / "out.partial")
    make(tmp_path / "out.old")
    assert make(out, "second") is None
    (out / "started").write_text("x")
    os.rename(out, tmp_path / "aside")
    make(out)
    os.rename(tmp_path / "aside", tmp_path / "out.partial")
    assert make(out, "second") is None
    assert sorted(path.name for path in out.iterdir()) == ["content", "done.json"]


def test_an_older_folder_comes_back_if_the_newer_is_not_wanted(tmp_path):
    make(tmp_path / "out")
    os.rename(tmp_path / "out", tmp_path / "out.old")
    assert make(tmp_path / "out") is None


HOLDER = """
import sys, time
from pathlib import Path
from ellav.data.outputs import writing
with writing(Path(sys.argv[1]), "2 (test)", {"content": "first"}, []) as folder:
    (folder / "begun").write_text("x")
    print("holding", flush=True)
    time.sleep(60)
"""


def hold(out):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "holding\n"
    return process


def test_a_second_process_is_told_who_is_first_and_a_killed_one_blocks_nobody(tmp_path):
    out = tmp_path / "out"
    process = hold(out)
    try:
        with pytest.raises(UserError, match=rf"out: process {process.pid} on {os.uname().nodename} is writing it"):
            make(out)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / "out.lock").exists()
    assert make(out) == ["begun", "started"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_lock_file_that_its_holder_removes_in_between_does_not_count(tmp_path, monkeypatch):
    """Two that wait for a third must not both go on, one with the removed file and one with a new one."""
    out, flock, gone = tmp_path / "out", outputs.fcntl.flock, []

    def removed_before(stream, how):
        if not gone:
            gone.append((tmp_path / "out.lock").unlink())
        flock(stream, how)

    monkeypatch.setattr(outputs.fcntl, "flock", removed_before)
    with locked(out):
        assert (tmp_path / "out.lock").exists()
        with pytest.raises(UserError, match="is writing it"), locked(out):
            pass


def test_a_lock_ends_where_its_file_cannot_be_removed(tmp_path, monkeypatch):
    def refused(*given, **options):
        raise PermissionError(1, "not permitted")

    with monkeypatch.context() as patched:
        patched.setattr(outputs.Path, "unlink", refused)
        with pytest.raises(PermissionError) as kept, locked(tmp_path / "out"):
            pass
    with locked(tmp_path / "out"):  # although what was raised still holds on to all that it passed through
        assert kept.tb is not None


def test_a_folder_made_from_an_older_one_names_its_stage(tmp_path):
    make(tmp_path / "codec", stage="4 (codes)")
    make(tmp_path / "codes", stage="4 (codes)", inputs=[tmp_path / "codec"])
    make(tmp_path / "codec", "refitted", stage="4 (codes)")
    with pytest.raises(UserError, match=r"codes: made from an older .*codec; rerun stage 4 \(codes\)"):
        fingerprint(tmp_path / "codes")
    with pytest.raises(UserError, match="rerun stage 4"):
        make(tmp_path / "tokens", stage="5 (tokens)", inputs=[tmp_path / "codes"])


def test_a_reason_of_several_lines_stays_one_line_of_its_table(tmp_path, capsys):
    reasons = [("a", Rejected("two\nlines  of\r\nit")), ("b", 1), ("c", Rejected("plain"))]
    assert keep_good(reasons, tmp_path, 0.9) == {"b": 1}
    assert capsys.readouterr().err.count("\n") == 1
    assert read_table(tmp_path / "rejected") == {"a": "two lines of it", "c": "plain"}
    write_table(tmp_path / "any", {"a": "kept  as it is", "b": ["x\n", 2], "c": 3, "d": "x\ry"})
    assert read_table(tmp_path / "any") == {"a": "kept  as it is", "b": "x 2", "c": "3", "d": "x y"}


def test_a_journal_keeps_what_is_whole(tmp_path):
    path = tmp_path / "journal"
    with pytest.raises(KeyboardInterrupt), Journal(path) as journal:
        journal.add("a\u2028", [1.5, "ä\u2028"])
        journal.add("b", {"c": None})
        raise KeyboardInterrupt
    path.write_bytes(path.read_bytes()[:-3])
    with Journal(path) as journal:
        assert journal.found == {"a\u2028": [1.5, "ä\u2028"]}
        journal.add("b", 2)
        assert path.read_text(encoding="utf-8").count("\n") == 2
    assert not path.exists()


MAPPING = """
import os, sys, time
from pathlib import Path
from ellav.bin.run_command import run_command
from ellav.data.parallel import parallel_map

def make():
    return work

def work(item):
    Path(sys.argv[1], str(os.getpid())).touch()
    if sys.argv[2] == "oom" and item == 3:
        os.kill(os.getpid(), 9)
    time.sleep(0.05)
    if sys.argv[2] == "wait":
        time.sleep(60)

if __name__ == "__main__":
    sys.exit(run_command("mapping", lambda: list(parallel_map(make, range(8), 2, "map"))))
"""


def mapping(tmp_path, how):
    (tmp_path / "mapping.py").write_text(MAPPING)
    (tmp_path / "pids").mkdir()
    command = [sys.executable, "mapping.py", "pids", how]
    return subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)


def workers(tmp_path, count=2):
    """Their process ids, once all have begun."""
    limit = time.monotonic() + 60
    while len(found := list((tmp_path / "pids").iterdir())) < count and time.monotonic() < limit:
        time.sleep(0.02)
    return [int(path.name) for path in found]


def gone(pids):
    """Whether these processes end within some seconds."""
    for _ in range(200):
        if not any(os.path.exists(f"/proc/{pid}") for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_workers_die_with_a_killed_process(tmp_path):
    """Else they would go on writing where the next run writes."""
    process = mapping(tmp_path, "wait")
    pids = workers(tmp_path)
    process.kill()
    process.wait()
    process.stderr.close()
    assert len(pids) == 2 and gone(pids)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_workers_too_without_a_traceback(tmp_path, number):
    process = mapping(tmp_path, "wait")
    pids = workers(tmp_path)
    os.killpg(process.pid, number)
    error = process.communicate(timeout=30)[1]
    assert process.returncode == 128 + number and gone(pids)
    assert error == f"mapping: stopped by {number.name}; the same command makes what is missing\n"


def test_a_killed_worker_is_an_error_and_no_endless_waiting(tmp_path):
    process = mapping(tmp_path, "oom")
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert error.startswith("mapping: one of 2 worker processes was killed") and error.count("\n") == 1


CACHING = """
import numba
@numba.njit(cache=True)
def one():
    return 1
print("cached:", one())
from ellav.plugins.decoders import decoders
@decoders.register("one_of_numba")
class One:
    'Nothing.'
"""


def test_numba_caches_somewhere_without_a_home(tmp_path):
    """Beside the code it cannot either: an installation of the administrator's."""
    (tmp_path / "plugin.py").write_text(CACHING)
    (tmp_path / "__pycache__").write_text("a file, so that no folder can be made")
    command = [sys.executable, "-m", "ellav.bin.main", "plugins", "list", "--plugin", str(tmp_path / "plugin.py")]
    made = {name: value for name, value in os.environ.items() if not name.endswith(("CACHE_DIR", "CACHE_HOME"))}
    done = subprocess.run(command, env={**made, "HOME": str(tmp_path / "plugin.py")}, capture_output=True, text=True)
    assert done.returncode == 0 and "cached: 1" in done.stdout, done.stderr


def test_an_error_of_the_disk_is_one_line(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    for name, line in (("wav.scp", "a nowhere.wav"), ("text", "a hello"), ("utt2spk", "a a")):
        (tmp_path / "data" / name).write_text(line + "\n")
    (tmp_path / "file").write_text("no folder")
    command = ["format-wavs", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "file/raw")]
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "file" in error and error.startswith("ellav format-wavs: ")
