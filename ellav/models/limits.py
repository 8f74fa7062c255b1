"""What a machine can do at most, measured: how fast it reads memory, and how fast it multiplies."""

from __future__ import annotations

import functools
import time

import torch

from ellav.models.device import wait_for

READ_BYTES = 2**28
"""Read at once on a CPU, more than its caches hold; on a GPU eight times as much, beside which a start is short."""
SMALLEST, LARGEST = 512, 16_384
"""Rows and columns of the matrices that are multiplied."""
LONG = 0.1
"""Seconds of a product after which no larger one is tried."""


def reading_bandwidth(device: torch.device, repeats: int = 5) -> float:
    """Bytes a second at which a large tensor is read (the best of a few sums)."""
    size = READ_BYTES * (8 if device.type == "cuda" else 1)
    block = torch.ones(size // 4, device=device)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        block.sum().item()
        best = min(best, time.perf_counter() - began)
    return size / best


def product_peak(device: torch.device, dtype: torch.dtype, repeats: int = 3) -> float:
    """Operations a second of a product of two large square matrices of `dtype`: the best over sizes that double until
    one takes LONG, since some processors multiply some types a hundred times slower than others."""
    best, size = 0.0, SMALLEST
    while size <= LARGEST:
        one, other = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
        one @ other
        seconds = float("inf")
        for _ in range(repeats):
            wait_for(device)
            began = time.perf_counter()
            one @ other
            wait_for(device)
            seconds = min(seconds, time.perf_counter() - began)
        best = max(best, 2 * size**3 / seconds)
        if seconds > LONG:
            break
        size *= 2
    return best


@functools.cache
def multiplies_bfloat16() -> bool:
    """Whether the processor multiplies matrices of bfloat16 at a third of its speed in float32, or faster.

    One without instructions for it takes a hundred times as long, so that even a first batch costs a minute. The
    fastest of several times counts, with one thread: on a busy machine threads mostly wait for each other.
    """
    fastest, threads = [], torch.get_num_threads()
    torch.set_num_threads(1)
    for dtype in (torch.float32, torch.bfloat16):
        matrix, times = torch.ones(256, 256, dtype=dtype), []
        for _ in range(8):
            start = time.perf_counter()
            matrix @ matrix
            times.append(time.perf_counter() - start)
        fastest.append(min(times))
    torch.set_num_threads(threads)
    return fastest[1] < 3 * fastest[0]
