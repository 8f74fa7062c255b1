"""Number of threads, and the arithmetic that is fastest here, found by measuring."""

from __future__ import annotations

import os
import time

import torch
from accelerate import Accelerator

from ellav.models.limits import multiplies_bfloat16
from ellav.train.objectives import Batch, Objective


def set_threads(device: torch.device, threads: int) -> int:
    """Use all cores on the CPU, unless `threads` or OMP_NUM_THREADS says otherwise."""
    if threads:
        torch.set_num_threads(threads)
    elif device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch.get_num_threads()


def choose_dtype(
    objective: Objective, batch: Batch, wanted: str, accelerator: Accelerator
) -> tuple[str, dict[str, int]]:
    """`wanted`, or for "auto" the faster of float32 and bfloat16 autocast, and the tokens/s of both.

    On a GPU, auto is bfloat16 where the GPU has it. On a CPU that multiplies it at all fast one batch is
    run forward and backward in both, twice after a first time. Nothing of the model changes.
    """
    if wanted != "auto":
        return wanted, {}
    device = accelerator.device
    if device.type == "cuda":
        return ("bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float32"), {}
    speeds = {}
    able = accelerator.reduce(torch.tensor(float(multiplies_bfloat16())), "sum") == accelerator.num_processes
    for name in ("float32", "bfloat16") if able else ("float32",):
        times = []
        for _ in range(3):
            start = time.monotonic()
            with torch.autocast(device.type, torch.bfloat16, enabled=name == "bfloat16"):
                loss, _ = objective(batch)
            loss.backward()
            times.append(time.monotonic() - start)
        objective.zero_grad()
        speeds[name] = round(batch.tokens / min(times[1:]))
    speeds = {name: float(accelerator.reduce(torch.tensor(float(s)), "sum")) for name, s in speeds.items()}
    return max(speeds, key=speeds.get), speeds
