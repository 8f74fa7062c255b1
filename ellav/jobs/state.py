"""Which jobs of a call have succeeded: files in a folder beside the logs, which goes when all have."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ellav.data.outputs import locked, write_text
from ellav.jobs.call import JOB, Call


class State:
    """Of one call. folder: for each job that has ended it has a file with the exit status, by the job's number; and
    `slurm`, the number under which Slurm has the jobs.

    Its name is a hash of the call, so that jobs of another one, which nobody waits for any more, write elsewhere.
    """

    def __init__(self, call: Call):
        log = Path(call.log).absolute()
        about = json.dumps([call.first, call.last, call.log, call.command])
        self.calls = log.with_name(log.name.removesuffix(".log").replace(JOB, "") + ".jobs")
        self.folder = self.calls / hashlib.sha256(about.encode()).hexdigest()[:16]
        self.numbers = call.numbers

    def status_file(self, number: int) -> Path:
        """Where a job's exit status is to be written."""
        return self.folder / str(number)

    def status(self, number: int) -> int | None:
        """The exit status of a job, None where it has not ended."""
        with contextlib.suppress(FileNotFoundError, ValueError):
            return int(self.status_file(number).read_text())
        return None

    def note(self, number: int, status: int) -> None:
        """Keep the exit status of a job."""
        write_text(self.status_file(number), f"{status}\n")

    def missing(self) -> list[int]:
        """The jobs that have not succeeded."""
        return [number for number in self.numbers if self.status(number) != 0]

    @property
    def slurm(self) -> str | None:
        """The array of jobs that was submitted last."""
        path = self.folder / "slurm"
        return path.read_text().strip() if path.exists() else None

    @slurm.setter
    def slurm(self, job: str) -> None:
        write_text(self.folder / "slurm", f"{job}\n")


@contextmanager
def kept(call: Call) -> Iterator[State]:
    """The state of a call: what an earlier run of the same one left, or a new one.

    It goes when all jobs have succeeded. Raises UserError where another process runs the call.
    """
    state = State(call)
    state.calls.parent.mkdir(parents=True, exist_ok=True)
    with locked(state.calls):
        if not state.folder.exists():
            shutil.rmtree(state.calls, ignore_errors=True)
            state.folder.mkdir(parents=True)
        yield state
        if not state.missing():
            shutil.rmtree(state.calls)
