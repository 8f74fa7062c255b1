"""The thread that owns the models of a page, whoever looks at it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Worker:
    """One thread, in which all is done that uses a model.

    What several people ask for, and the pieces of several streams, so take turns; models need no locks, and torch keeps
    the threads of its products for one caller alone. `ellav.serve.speaker` would speak for many side by side, but what
    is wanted here, edits above all, needs an engine of its own.
    """

    def __init__(self):
        self._pool = ThreadPoolExecutor(1, "models")

    def submit(self, work: Callable, *arguments: Any) -> Future:
        """Have `work(*arguments)` done when its turn comes."""
        return self._pool.submit(work, *arguments)

    def do(self, work: Callable, *arguments: Any) -> Any:
        """What `work(*arguments)` returns, or raises, when its turn has come."""
        return self.submit(work, *arguments).result()

    def close(self) -> None:
        """End the thread; what waits is not done any more."""
        self._pool.shutdown(cancel_futures=True)
