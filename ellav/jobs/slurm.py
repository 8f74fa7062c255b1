"""Jobs of Slurm: one `sbatch --array` a call, what is said of it while it waits and runs, and what became of it.

Slurm schedules, starts again what a node lost, and ends what takes too much; nothing of that is done here. The
exit status of a job is written by the job itself, because not every Slurm keeps accounts of those that have ended.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ellav.errors import UserError, one_line
from ellav.jobs.call import JOB, Call
from ellav.jobs.signals import signals_held
from ellav.jobs.state import State

LIMIT = "--max-jobs-run="
"""Option of ours, as Kaldi calls it: how many jobs of an array may run at once."""
NODES = "--num-nodes="
"""Option of ours: the nodes of each job, on all of which its command is started."""
ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED"),
    *("REVOKED", "TIMEOUT"),
}
GRACE = 5
"""Seconds that jobs wait before it is said for what."""
LONGEST_PAUSE = 10
"""Seconds between two looks; the first are shorter."""
BETWEEN = 60
"""Seconds between two lines on how many have ended."""
CANCELLING = 60
"""Seconds that cancelled jobs have for ending; Slurm kills them after half of that."""
LATE = 30
"""Seconds within which a network file system shows a file that another machine wrote."""


class Seen(NamedTuple):
    """What Slurm says of a job: a word like RUNNING, and why it waits."""

    state: str
    reason: str


def run(call: Call, state: State) -> dict[int, str]:
    """Submit the jobs that have not succeeded and wait; returns what became of those that failed.

    Jobs that an earlier run submitted and that are still there are waited for first. Whatever ends this ends
    the jobs. Raises UserError with what Slurm says where it refuses them.
    """
    with _cancelling(call, state):
        if state.slurm and any(map(_alive, (_look(state.slurm) or {}).values())):
            print(f"{call.log}: going on with job {state.slurm}, which is still there", flush=True)
            _wait(call, state)
        missing = state.missing()
        if not missing:
            return {}
        for number in missing:
            state.status_file(number).unlink(missing_ok=True)
            Path(call.log_of(number)).unlink(missing_ok=True)  # jobs append, as those do that Slurm starts again
        _submit(call, state, missing)
        seen = _wait(call, state)
    return {number: _fate(state.status(number), seen.get(number)) for number in state.missing()}


@contextmanager
def _cancelling(call: Call, state: State) -> Iterator[None]:
    """Whatever ends the block ends the jobs, if there are any."""
    try:
        yield
    except UserError:
        raise
    except BaseException:
        if state.slurm:
            _slurm(["scancel", state.slurm])
            print(f"{call.log}: job {state.slurm} cancelled", file=sys.stderr, flush=True)
            until = time.monotonic() + CANCELLING
            while any(map(_alive, (_look(state.slurm) or {}).values())) and time.monotonic() < until:
                time.sleep(0.5)
        raise


def _submit(call: Call, state: State, missing: list[int]) -> None:
    options = [word for word in call.options if not word.startswith((LIMIT, NODES))]
    limit, nodes = _number(call, LIMIT, "jobs"), _number(call, NODES, "nodes") or 1
    if nodes > 1:
        options += [f"--nodes={nodes}", "--ntasks-per-node=1"]
    array = _ranges(missing) + (f"%{limit}" if limit else "")
    output = call.log.replace("%", "%%").replace(JOB, "%a") if call.array else call.log.replace("%", "%%")
    command = ["sbatch", "--parsable", "--export=ALL", *options, f"--array={array}"]
    command += [f"--output={output}", "--open-mode=append"]
    with signals_held():  # between Slurm's taking the jobs and our knowing their number
        done = _slurm(command, _script(call, state, nodes))
        if done.returncode:
            raise UserError(f"Slurm refused the jobs of {call.log}: {_said(done)}; their options are in slurm.conf")
        state.slurm = done.stdout.strip().split(";")[0]
    some = f"{len(missing)} of {len(call.numbers)} jobs" if call.array else "job"
    print(f"{call.log}: {some} submitted to Slurm as {state.slurm}", flush=True)


def _number(call: Call, option: str, what: str) -> int | None:
    """The value of an option of ours, None where it is not given."""
    given = next((word.removeprefix(option) for word in reversed(call.options) if word.startswith(option)), None)
    if given is not None and not (given.isdecimal() and int(given) > 0):
        raise UserError(f"{option}{given}: not a number of {what}")
    return int(given) if given else None


def _script(call: Call, state: State, nodes: int = 1) -> str:
    """What each job runs: its command, on each node if there are several, and what writes down its exit status."""
    program = shutil.which(call.command[0]) or call.command[0]
    number = '"${SLURM_ARRAY_TASK_ID}"'
    words = [program, *call.command[1:]]
    if call.array:
        quoted = [number.join(shlex.quote(part) if part else "" for part in word.split(JOB)) or "''" for word in words]
    else:
        quoted = [shlex.quote(word) for word in words]
    file = f'{shlex.quote(str(state.folder))}/"${{SLURM_ARRAY_TASK_ID}}"'
    if nodes > 1:
        quoted.insert(0, _ON_EACH_NODE)
    return f"#!/bin/sh\n{' '.join(quoted)}\nstatus=$?\necho ${{status}} > {file}\nexit ${{status}}\n"


_ON_EACH_NODE = (
    'srun --kill-on-bad-exit=1 --wait=0 ${SLURM_CPUS_PER_TASK:+--cpus-per-task="${SLURM_CPUS_PER_TASK}"} --quiet'
)
"""One that fails ends the others. srun does not ask for the job's cores by itself."""


def _wait(call: Call, state: State) -> dict[int, Seen]:
    """Wait until none of the jobs is left; returns what Slurm said of each last."""
    seen: dict[int, Seen] = {}
    began, pause, shown, teller = time.monotonic(), 0.5, 0, _Teller(state.slurm)
    while True:
        now = _look(state.slurm)
        if now is None:
            teller.silent()
        else:
            seen |= now
            alive = {number: one for number, one in now.items() if _alive(one)}
            if not alive:
                break
            teller.tell(alive, len(seen), time.monotonic() - began)
        shown = shown if call.array else _show(call.log, shown)
        time.sleep(pause)
        pause = min(LONGEST_PAUSE, pause * 1.3)
    if not call.array:
        _show(call.log, shown)
    _await_files(state, seen)
    return seen


class _Teller:
    """Says in a line what has changed."""

    def __init__(self, job: str):
        self._job, self._why, self._count, self._silent = job, "", None, False
        self._last = time.monotonic()

    def tell(self, alive: dict[int, Seen], jobs: int, seconds: float) -> None:
        self._silent = False
        waiting = Counter(one.reason for one in alive.values() if one.state == "PENDING")
        waiting.pop("JobArrayTaskLimit", None)  # our own limit
        runs = sum(one.state != "PENDING" for one in alive.values())
        why = waiting.most_common(1)[0][0] if waiting and seconds >= GRACE else ""
        if why and why != self._why and not (runs and why in ("Resources", "Priority")):
            self._say(f"{sum(waiting.values())} of {jobs} wait: {why}")
        self._why = why or self._why
        count = (jobs - len(alive), runs)
        if jobs > 1 and count != self._count and time.monotonic() - self._last >= BETWEEN:
            self._say(f"{count[0]} of {jobs} have ended, {runs} run")
            self._count, self._last = count, time.monotonic()

    def silent(self) -> None:
        if not self._silent:
            self._say("Slurm does not answer; waiting for it")
        self._silent = True

    def _say(self, what: str) -> None:
        print(f"job {self._job}: {what}", file=sys.stderr, flush=True)


def _look(job: str) -> dict[int, Seen] | None:
    """What Slurm says of the jobs that it still knows; None where it does not answer."""
    command = ["squeue", "--noheader", "--array", "--states=all", f"--jobs={job}", "--format=%K|%T|%r"]
    done = _slurm(command)
    if done.returncode:
        return {} if "Invalid job id" in done.stderr else None
    found = {}
    for line in done.stdout.splitlines():
        number, state, reason = [*line.strip().split("|", 2), "", ""][:3]
        if number.isdecimal():
            found[int(number)] = Seen(state, reason)
    return found


def _alive(seen: Seen) -> bool:
    return seen.state not in ENDED


def _await_files(state: State, seen: dict[int, Seen]) -> None:
    """Give the files of jobs that ended well time to be seen from here; of those that stay away Slurm's word counts."""
    ended_well = [number for number, one in seen.items() if one.state == "COMPLETED"]
    until = time.monotonic() + LATE
    while any(state.status(number) is None for number in ended_well) and time.monotonic() < until:
        time.sleep(0.2)
    for number in ended_well:
        if state.status(number) is None:
            state.note(number, 0)


def _fate(status: int | None, seen: Seen | None) -> str:
    if seen is not None and seen.state != "FAILED" and not _alive(seen):
        return seen.state.lower().replace("_", " ")
    if status is not None:
        return f"exit status {status}"
    return "killed" if seen is not None else "gone: Slurm does not know it"


def _show(log: str, shown: int) -> int:
    """Print what a log has got since; returns its bytes that have been shown."""
    try:
        with open(log, "rb") as stream:
            stream.seek(shown)
            new = stream.read()
    except FileNotFoundError:
        return shown
    sys.stdout.flush()
    sys.stdout.buffer.write(new)
    sys.stdout.flush()
    return shown + len(new)


def _ranges(numbers: list[int]) -> str:
    """1, 2, 3, 7 -> 1-3,7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ",".join(f"{first}-{last}" if first != last else str(first) for first, last in parts)


def _slurm(command: list[str], given: str | None = None) -> subprocess.CompletedProcess:
    """A program of Slurm, which Ctrl-C does not reach. Raises UserError where there is none."""
    try:
        return subprocess.run(command, input=given or "", capture_output=True, text=True, start_new_session=True)
    except FileNotFoundError:
        raise UserError(
            f"no program {command[0]} on this machine: jobs are submitted from one of the cluster's"
        ) from None


def _said(done: subprocess.CompletedProcess) -> str:
    """What a program of Slurm complained of, its last words first."""
    lines = [re.sub(rf"^{done.args[0]}: (error: )?", "", line) for line in done.stderr.strip().splitlines()]
    return one_line("; ".join(reversed(lines))) or f"exit status {done.returncode}"
