"""Jobs on this machine, one after another: a command uses as many processes as it may by itself."""

from __future__ import annotations

import subprocess
from pathlib import Path

from ellav.errors import UserError
from ellav.jobs.call import Call
from ellav.jobs.state import State


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
    with open(call.log_of(number), "wb") as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        except OSError as error:
            raise UserError(f"{command[0]}: {error.strerror.lower()}") from None
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return status if status >= 0 else 128 - status


def last_line(log: str) -> str:
    """What a log ends with."""
    try:
        with open(Path(log), "rb") as stream:
            stream.seek(0, 2)
            stream.seek(max(0, stream.tell() - 4096))
            lines = stream.read().decode(errors="replace").split("\n")
    except OSError:
        return "no log"
    return next((line.strip() for line in reversed(lines) if line.strip()), "an empty log")
