"""Files read at places, of which a process keeps only so many open: a set of many shards has more than it may."""

from __future__ import annotations

import os
import resource
import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

MOST_FILES = 16_384
"""The largest number of open files that is asked for."""


def describe(status: os.stat_result) -> dict:
    """What tells one state of a file from another: its size, and the second of its last change."""
    return {"bytes": status.st_size, "seconds": status.st_mtime}


class Files:
    """Reads parts of files, which stay open until others need their place.

    refuse: makes the exception to raise from a path and the OSError with which it could not be opened. check: called
    with the path and the descriptor of each file that is opened, to raise what speaks against reading it.
    most: how many stay open; half of what the system allows if None. Safe after a fork and from threads.
    """

    def __init__(
        self,
        refuse: Callable[[str, OSError], Exception],
        check: Callable[[str, int], None] | None = None,
        most: int | None = None,
    ):
        self._refuse, self._check, self._most = refuse, check, most
        self._open: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, path: Path | str, size: int, start: int) -> bytes:
        """At most `size` bytes from byte `start` on, fewer only at the file's end."""
        with self._lock:  # so that no other thread closes the file meanwhile
            descriptor = self._descriptor(str(path))
            parts = [os.pread(descriptor, size, start)]
            while parts[-1] and (got := sum(map(len, parts))) < size:  # one read stops at 2 GiB, or at a signal
                parts.append(os.pread(descriptor, size - got, start + got))
        return b"".join(parts)

    def _descriptor(self, path: str) -> int:
        if path in self._open:
            self._open.move_to_end(path)
            return self._open[path]
        self._most = self._most or most_open()
        while len(self._open) >= self._most:
            os.close(self._open.popitem(last=False)[1])
        try:
            descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise self._refuse(path, error) from None
        try:
            if self._check:
                self._check(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise
        self._open[path] = descriptor
        return descriptor

    def __getstate__(self) -> tuple:
        return self._refuse, self._check, self._most

    def __setstate__(self, state: tuple) -> None:
        self.__init__(*state)

    def __del__(self):
        for descriptor in self._open.values():
            os.close(descriptor)


def most_open() -> int:
    """Half of the files that this process may open, after asking for as many as the system gives, up to MOST_FILES."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(hard, MOST_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    return MOST_FILES // 2 if soft == resource.RLIM_INFINITY else max(8, min(soft, MOST_FILES) // 2)
