"""Jobs on this machine, one after another: a command uses as many processes as it may by itself."""

from __future__ import annotations

import re
import signal
import subprocess
from functools import partial
from pathlib import Path

from ellav.errors import UserError
from ellav.jobs.call import Call
from ellav.jobs.signals import signals_held
from ellav.jobs.state import State

_OF_SRUN = re.compile(r"srun: |slurmstepd[^:]*: error: \*\*\* STEP ")


def run(call: Call, state: State) -> dict[int, str]:
    """Run the jobs that have not succeeded; returns what became of those that failed."""
    if call.options:
        raise UserError(f"{call.options[0]}: jobs on this machine have no options")
    for number in state.missing():
        state.note(number, _run(call, number))
        print(f"{call.log_of(number)}: {last_line(call.log_of(number))}", flush=True)
    return {number: f"exit status {state.status(number)}" for number in state.missing()}


def _run(call: Call, number: int) -> int:
    command = call.command_of(number)
    process = None
    with open(call.log_of(number), "wb") as log:
        try:
            with signals_held() as before:  # so that there is no job of which nothing is known here
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    preexec_fn=partial(signal.pthread_sigmask, signal.SIG_SETMASK, before),
                )
            status = process.wait()
        except OSError as error:
            raise UserError(f"{command[0]}: {error.strerror.lower()}") from None
        except BaseException:
            if process is not None:
                process.terminate()
                process.wait()
            raise
    return status if status >= 0 else 128 - status


def last_line(log: str) -> str:
    """What a log ends with, but for what srun says of the end of a command on several nodes."""
    try:
        with open(Path(log), "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4096))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return "no log"
    said = [line.strip() for line in reversed(lines) if line.strip()]
    return next((line for line in said if not _OF_SRUN.match(line)), said[0] if said else "an empty log")
