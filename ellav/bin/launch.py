"""`python -m ellav.bin.launch`: torchrun, which the recipes train by, on one machine or on each node of a job of Slurm.

It is called as torchrun is. Where the nodes meet is found here, and a process that was killed is told of in one line.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from ellav.data.parallel import cores
from ellav.errors import UserError, one_line
from ellav.train.lost import LOST

STOPPED = {128 + signal.SIGTERM, 128 + signal.SIGINT, -signal.SIGTERM, -signal.SIGINT}
"""Exit statuses of processes that a signal was to end."""
GRACE = 5
"""Seconds in which Slurm ends a node whose processes have lost others, before it is told here."""


def main(argv: list[str]) -> int:
    """Start the processes of this node and wait for them; returns the exit status."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)  # what torchrun says of a failure beside the exception
    try:
        return _run(argv)
    except UserError as error:
        print(f"ellav train: {error}", file=sys.stderr)
        return 1
    finally:
        logging.disable(before)


def _run(argv: list[str]) -> int:
    from torch.distributed import run as torchrun
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError

    options = torchrun.parse_args(argv)
    nodes, processes = int(options.nnodes), int(options.nproc_per_node)
    options = torchrun.parse_args([*meeting(nodes, os.environ), *argv])
    _need_gpus(processes)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    try:
        torchrun.run(options)
    except ChildFailedError as error:
        failures = {rank: Failure(one.exitcode, one.timestamp, one.message) for rank, one in error.failures.items()}
    except SignalException as stop:
        return 128 + stop.sigval  # the first process says how far it came
    except (RuntimeError, OSError) as error:  # the nodes do not find one another
        raise UserError(
            f"{socket.gethostname()}: the nodes do not meet at {options.master_addr}:{options.master_port}: "
            f"{one_line(error, 200)}"
        ) from None
    else:
        return 0
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # torchrun's own would raise what nobody waits for any more
    return _ended(failures, nodes)


def meeting(nodes: int, environment: Mapping[str, str]) -> list[str]:
    """Options of torchrun that say where its processes meet: on the first node of the job of Slurm.

    Raises UserError where there are to be several nodes, and this is none of them.
    """
    if nodes == 1:
        return ["--standalone"]
    found = [environment.get(f"SLURM_{name}", "") for name in ("JOB_ID", "NODEID", "LAUNCH_NODE_IPADDR", "NNODES")]
    job, node, address, given = found
    if not all(found) or int(given) != nodes:
        raise UserError(f"{nodes} nodes are wanted: to be started by srun, once on each (--num-nodes of tts.sh)")
    port = 20000 + int(job) % 10000  # below those that the system gives out
    options = {"rdzv_backend": "static", "rdzv_id": job, "node_rank": node, "master_addr": address, "master_port": port}
    return [word for name, value in options.items() for word in (f"--{name}", str(value))]


def _need_gpus(processes: int) -> None:
    import torch

    there = torch.cuda.device_count()
    if 0 < there < processes:
        raise UserError(
            f"{socket.gethostname()}: {processes} processes to train with, but {there} GPUs: ask for as many "
            f"(--gres=gpu:{processes} of cuda_cmd in conf/slurm.conf), or give --ngpu {there}"
        )


class Failure(NamedTuple):
    """How a process ended, when that was seen in seconds, and what it left to be read of it."""

    status: int
    seen: int
    message: str | dict


def _ended(failures: dict[int, Failure], nodes: int) -> int:
    """The exit status where processes have failed, by their rank; says what they did not."""
    first = next(iter(failures.values()))
    if first.status in STOPPED:
        return 128 + abs(first.status) % 128
    together = {rank: one for rank, one in failures.items() if one.seen - first.seen <= 1}
    culprits = {rank: one.status for rank, one in together.items() if one.status not in {LOST, *STOPPED}}
    if not culprits:
        time.sleep(GRACE if nodes > 1 else 0)
        why = first.message["message"] if isinstance(first.message, dict) else first.message
        raise UserError(
            f"{socket.gethostname()}: the other processes are out of reach ({one_line(why, 200)}); {_AGAIN}"
        )
    rank, status = next(iter(culprits.items()))
    if status > 0:
        return status  # it has said why
    name = signal.Signals(-status).name
    raise UserError(f"{socket.gethostname()}: process {rank} was killed ({name}); {_AGAIN}")


_AGAIN = "the same command goes on from the last checkpoint"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
