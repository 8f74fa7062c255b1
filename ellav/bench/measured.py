"""How often something runs, how long it takes, what it holds, and how that is put down."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import torch

from ellav import machine
from ellav.models.device import wait_for


class Run(NamedTuple):
    """seconds: on the clock. result: what came of it. memory: MiB that were held at most, by name."""

    seconds: float
    result: Any
    memory: dict[str, float]


def fastest(work: Callable[[], Any], repeats: int, device: torch.device) -> Run:
    """The fastest of so many runs, after one that does not count; the memory is that of all."""
    forget_peaks(device)
    work()
    best, result = float("inf"), None
    for _ in range(repeats):
        wait_for(device)
        began = time.perf_counter()
        made = work()
        wait_for(device)
        seconds = time.perf_counter() - began
        if seconds < best:
            best, result = seconds, made
    return Run(best, result, peaks(device))


def forget_peaks(device: torch.device) -> None:
    """What was held before does not count."""
    machine.forget_peak_memory()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peaks(device: torch.device) -> dict[str, float]:
    """MiB held at most since then, by the process and on its GPU."""
    held = {"peak_memory_mib": round(machine.peak_memory() / 2**20, 1)}
    if device.type == "cuda":
        held["peak_gpu_memory_mib"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return held


def figures(
    name: str, batch: int, run: Run, steps: int, tokens: int, speech: float, floor: float | None = None, **more
) -> dict:
    """A row of what is printed. steps: of a model. tokens: of all sequences. speech, floor: seconds, see
    `docs/performance.md`."""
    return {
        "name": name,
        "batch": batch,
        "seconds": rounded(run.seconds),
        "steps_per_second": rounded(steps / run.seconds),
        "tokens_per_second": rounded(tokens / run.seconds),
        "real_time_factor": rounded(run.seconds / speech) if speech else None,
        "floor_seconds": None if floor is None else rounded(floor),
        "times_floor": None if floor is None else rounded(run.seconds / floor),
        **more,
        **run.memory,
    }


def rounded(value: float) -> float:
    """Four digits: no measurement knows more."""
    return float(f"{value:.4g}")
