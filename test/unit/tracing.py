"""The memory that Python objects take meanwhile, for tests that it does not grow."""

import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def peak_into(peaks: list[int]) -> Iterator[None]:
    """Append to `peaks` the most bytes that were held at once inside."""
    tracemalloc.start()
    try:
        yield
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
