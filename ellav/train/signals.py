"""Signals that are to end a run, noted until it can be saved."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def noted_signals() -> Iterator[list[int]]:
    """A list that gets the number of a SIGTERM or SIGINT, so that a step can end and be saved.

    A second SIGINT does not wait for that.
    """
    came: list[int] = []

    def note(number, frame) -> None:
        if number == signal.SIGINT and number in came:
            raise KeyboardInterrupt
        came.append(number)

    # One that is ignored is to stay so.
    caught = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) != signal.SIG_IGN]
    try:
        before = {number: signal.signal(number, note) for number in caught}
    except ValueError:  # not the main thread: nothing to catch
        before = {}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler or signal.SIG_DFL)
