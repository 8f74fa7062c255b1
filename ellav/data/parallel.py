"""Map a function over many items with several processes and one progress bar."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from ellav.plugins.registry import load_plugin

_work: Callable | None = None


def parallel_map(
    make: Callable[[], Callable], items: Sequence, jobs: int, title: str, plugins: Iterable[str] = ()
) -> Iterator:
    """Yield `make()(item)` for each item, in order.

    make: a picklable callable (a function, or functools.partial) that each process calls
    once, so that heavy things are loaded once. plugins: `--plugin` files that each process
    imports first. Every process uses one thread. With jobs=1 it runs in this process.
    """
    jobs = max(1, min(jobs, len(items)))
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task(title, total=len(items))
        for result in _results(make, items, jobs, tuple(plugins)):
            bar.advance(task)
            yield result


def _results(make: Callable, items: Sequence, jobs: int, plugins: tuple[str, ...]) -> Iterator:
    if jobs == 1:
        _start(make, plugins)
        yield from map(_call, items)
        return
    threads = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        context = multiprocessing.get_context("spawn")
        chunk = max(1, min(32, len(items) // (jobs * 8)))
        with context.Pool(jobs, _start, (make, plugins)) as pool:
            yield from pool.imap(_call, items, chunk)
    finally:
        if threads is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = threads


def _start(make: Callable, plugins: tuple[str, ...]) -> None:
    global _work
    for plugin in plugins:
        load_plugin(plugin)
    _work = make()


def _call(item):
    return _work(item)
