"""Map a function over many items with several processes and one progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ellav.errors import UserError
from ellav.plugins.registry import load_plugin

CHUNK = 32
"""Items that a process takes at once, at most."""
_AHEAD = 4
"""Chunks of items a process that are worked on or wait to be taken: memory does not grow with the items."""

_prepare: Callable[[], Callable] | None = None
_work: Callable | None = None


def parallel_map(
    make: Callable[[], Callable],
    items: Sequence,
    jobs: int,
    title: str,
    plugins: Iterable[str] = (),
    chunk: int = CHUNK,
) -> Iterator:
    """Yield `make()(item)` for each item, in order.

    make: a picklable callable (a function, or functools.partial) that each process calls
    once, so that heavy things are loaded once. plugins: `--plugin` files that each process
    imports first. Every process uses one thread. With jobs=1 it runs in this process; 0: one for each of `cores`.
    chunk: the most items that a process takes at once.
    Raises UserError where a process is killed. The processes end with this one, even if
    that is killed.
    """
    jobs = max(1, min(jobs or cores(), len(items)))
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(title, total=len(items))
        for result in _results(make, items, jobs, tuple(plugins), chunk):
            bar.advance(task)
            yield result


def cores() -> int:
    """How many processes a job of Slurm was given, elsewhere how many cores this process may use."""
    given = os.environ.get("SLURM_CPUS_PER_TASK", "")
    return int(given) if given.isdecimal() else len(os.sched_getaffinity(0))


def _results(make: Callable, items: Sequence, jobs: int, plugins: tuple[str, ...], chunk: int) -> Iterator:
    if jobs == 1:
        yield from map(_made(make, plugins), items)
        return
    chunk = max(1, min(chunk, len(items) // (jobs * 8)))
    context = multiprocessing.get_context("spawn")
    with _one_thread(), ProcessPoolExecutor(jobs, context, _start, (make, plugins)) as pool:
        try:
            coming: deque[Future] = deque()
            for start in range(0, len(items), chunk):
                with _interrupts_held():  # processes start with what is submitted
                    coming.append(pool.submit(_call_each, items[start : start + chunk]))
                if len(coming) == _AHEAD * jobs:
                    yield from coming.popleft().result()
            while coming:
                yield from coming.popleft().result()
        except BrokenProcessPool:
            raise UserError(
                f"one of {jobs} worker processes was killed, perhaps for want of memory; "
                "the same command goes on from here, with a lower --nj if it happens again"
            ) from None
        except BaseException:
            for process in multiprocessing.active_children():
                process.terminate()
            raise


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes started inside use one thread each."""
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Processes started inside never see Ctrl-C: this one does, and ends them without a word."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start(make: Callable, plugins: tuple[str, ...]) -> None:
    global _prepare
    _prepare = partial(_made, make, plugins)  # with the first item, so that its errors reach the parent
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    multiprocessing.parent_process().join()
    os._exit(1)


def _made(make: Callable, plugins: tuple[str, ...]) -> Callable:
    for plugin in plugins:
        load_plugin(plugin)
    return make()


def _call_each(items: Sequence) -> list:
    global _work
    if _work is None:
        _work = _prepare()
    return [_work(item) for item in items]
