"""`ellav jobs`: a command, or an array of commands, here or on Slurm, as Kaldi calls it."""

from __future__ import annotations

import sys

from ellav.errors import UserError, one_line, printable
from ellav.jobs import local, slurm
from ellav.jobs.call import parse_call
from ellav.jobs.local import last_line
from ellav.jobs.state import kept

BACKENDS = {"local": local.run, "slurm": slurm.run}
HELP = """usage: ellav jobs local|slurm [--OPTION=VALUE ...] [JOB=1:N] LOG COMMAND ...

Run COMMAND with its output in LOG, which ends in .log. With JOB=1:N, run it N times: JOB stands for 1 to N in
LOG and COMMAND. If the same call is given again after some have failed, only these are run.

  local  on this machine, one after another
  slurm  as one array of jobs; the options are sbatch's, and --max-jobs-run=N: how many may run at once, and
         --num-nodes=N: each job has N nodes, and COMMAND is started once on each. It waits until all have ended.
         Ctrl-C cancels them."""
SHOWN = 20
"""Failed jobs that are listed."""


def main(argv: list[str]) -> None:
    """Raises UserError naming the jobs that failed and their logs."""
    if not argv or argv[0] in ("-h", "--help"):
        print(HELP)
        return
    if argv[0] not in BACKENDS:
        raise UserError(f"expected one of {', '.join(BACKENDS)}, not {argv[0]!r}; ellav jobs --help")
    call = parse_call(argv[1:])
    with kept(call) as state:
        failed = BACKENDS[argv[0]](call, state)
    if not failed:
        return
    if not call.array:
        raise UserError(f"{failed[1]}; {call.log}: {one_line(last_line(call.log), 500)}")
    for number, fate in list(failed.items())[:SHOWN]:
        log = call.log_of(number)
        print(printable(f"job {number}: {fate}; {log}: {one_line(last_line(log), 300)}"), file=sys.stderr)
    more = f", the first {SHOWN} above" if len(failed) > SHOWN else ""
    raise UserError(
        f"{len(failed)} of {len(call.numbers)} jobs failed{more}; the same command runs these again and no others"
    )
