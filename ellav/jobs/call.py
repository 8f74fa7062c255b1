"""Kaldi's call: `[OPTION ...] [JOB=1:N] LOG COMMAND ...`."""

from __future__ import annotations

import re
from typing import NamedTuple

from ellav.errors import UserError

JOB = "JOB"
"""Stands for the number of a job, in the name of its log and in the words of its command."""


class Call(NamedTuple):
    """What is to be run.

    options: of the backend, as they were given. first, last: numbers of an array's jobs; both 1 for a command that is
    no array. log: of one job; JOB in it stands for the number.
    """

    options: list[str]
    first: int
    last: int
    array: bool
    log: str
    command: list[str]

    @property
    def numbers(self) -> range:
        """Of all jobs."""
        return range(self.first, self.last + 1)

    def log_of(self, number: int) -> str:
        """Where the output of a job goes."""
        return self.log.replace(JOB, str(number)) if self.array else self.log

    def command_of(self, number: int) -> list[str]:
        """The words of a job's command."""
        return [word.replace(JOB, str(number)) for word in self.command] if self.array else self.command


def parse_call(words: list[str]) -> Call:
    """Raises UserError for a call that is none."""
    at = next((i for i, word in enumerate(words) if not word.startswith("-")), len(words))
    options, rest = words[:at], words[at:]
    first = last = 1
    array = bool(rest) and rest[0].startswith(f"{JOB}=")
    if array:
        found = re.fullmatch(rf"{JOB}=(\d+)(?::(\d+))?", rest[0])
        if not found:
            raise UserError(f"{rest[0]!r}: write the numbers of the jobs as {JOB}=1:8")
        first, last = int(found[1]), int(found[2] or found[1])
        if not 1 <= first <= last:
            raise UserError(f"{rest[0]!r}: numbers of jobs begin with 1 and do not go down")
        del rest[0]
    if not rest or not rest[0].endswith(".log"):
        what = f"not {rest[0]!r}; options before it are written --name=value" if rest else "and nothing is there"
        raise UserError(f"the name of a log is wanted, which ends in .log, {what}")
    if len(rest) == 1:
        raise UserError(f"{rest[0]}: no command follows the log")
    if first != last and JOB not in rest[0]:
        raise UserError(f"{rest[0]}: all jobs of the array would write it; put {JOB} into its name")
    return Call(options, first, last, array, rest[0], rest[1:])
