"""How often something runs, how long it takes, what it holds, and how that is put down."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
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
    return in_turn([work], repeats, device)[0]


def in_turn(works: Sequence[Callable[[], Any]], repeats: int, device: torch.device) -> list[Run]:
    """The fastest run of each in so many rounds of all, after a round that does not count; memory is that of all runs.

    What slows a machine for a while, another tenant's work for example, so slows what is compared alike.
    """
    runs: list[list[Run]] = [[] for _ in works]
    for _ in range(repeats + 1):
        for own, work in zip(runs, works, strict=True):
            forget_peaks(device)
            wait_for(device)
            began = time.perf_counter()
            result = work()
            wait_for(device)
            own.append(Run(time.perf_counter() - began, result, peaks(device)))
    made = []
    for own in runs:
        memory = {name: max(run.memory[name] for run in own) for name in own[0].memory}
        made.append(min(own[1:], key=lambda run: run.seconds)._replace(memory=memory))
    return made


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
