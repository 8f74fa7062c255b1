"""What this machine grants to a process: processor, cores, memory, disk. Standard library and Linux's own files only.

Every function takes `root`, under which it looks for /proc and /sys, so that it can be tried on other machines' files.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/")
FLAGS = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "amx_tile", "amx_bf16", "asimd", "bf16", "i8mm", "sve")
"""Processor flags that decide how fast models run; the last four are ARM's."""

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4
"""Of glibc's malloc.h."""
KEPT = 2**31 - 1
"""Bytes that may lie free at the end of the heap."""

UNLIMITED = 1 << 60
"""Bytes; version 1 of cgroups writes a huge number where there is no limit."""


class Cores(NamedTuple):
    """Cores of the machine, those that this process may run on, and the time it may use in cores, None for no limit."""

    machine: int
    affinity: int
    quota: float | None

    @property
    def granted(self) -> int:
        """How many threads can run at once without waiting for each other, at least 1."""
        return self.affinity if self.quota is None else max(1, min(self.affinity, int(self.quota)))


class Memory(NamedTuple):
    """Bytes: of the machine, free for use now, and this process's limit, None for no limit."""

    machine: int
    available: int
    limit: int | None


def processor(root: Path = ROOT) -> tuple[str, list[str]]:
    """The processor's name and those of FLAGS that it has."""
    name, flags = "unknown", set()
    for line in _lines(root / "proc/cpuinfo"):
        key, _, value = (part.strip() for part in line.partition(":"))
        if key in ("model name", "Model", "Processor") and name == "unknown":
            name = value
        if key in ("flags", "Features") and not flags:
            flags = set(value.split())
    return name, [flag for flag in FLAGS if flag in flags]


def cores(root: Path = ROOT, affinity: int | None = None) -> Cores:
    """Cores by /proc/cpuinfo, affinity and the tightest cgroup quota (versions 1 and 2)."""
    machine = sum(line.startswith("processor") for line in _lines(root / "proc/cpuinfo")) or os.cpu_count() or 1
    if affinity is None:
        affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else machine
    quotas = [*_limits(root, "", _quota2), *_limits(root, "cpu", _quota1)]
    return Cores(machine, affinity, min(quotas, default=None))


def memory(root: Path = ROOT) -> Memory:
    """Memory by /proc/meminfo and the tightest cgroup limit (versions 1 and 2)."""
    found = {}
    for line in _lines(root / "proc/meminfo"):
        key, _, value = line.partition(":")
        if value.split()[1:] == ["kB"]:
            found[key] = int(value.split()[0]) * 1024
    limits = [*_limits(root, "", _memory2), *_limits(root, "memory", _memory1)]
    return Memory(found.get("MemTotal", 0), found.get("MemAvailable", 0), min(limits, default=None))


def peak_memory() -> int:
    """Bytes that this process has held at most, since it began or since `forget_peak_memory`."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def forget_peak_memory(root: Path = ROOT) -> None:
    """Let `peak_memory` begin anew with what is held now, where the system allows it."""
    with contextlib.suppress(OSError):
        (root / "proc/self/clear_refs").write_text("5")


def keep_memory() -> None:
    """Let this process keep what it frees and use it again, where its C library is one that can be told so (glibc).

    Left alone glibc gives large blocks back at once, and takes each new one page by page, which took half of the time
    of a NAR model that completes 32 utterances (docs/performance.md).
    """
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        mallopt(M_MMAP_MAX, 0)  # no block of its own from the system
        mallopt(M_TRIM_THRESHOLD, KEPT)


def disk(path: Path) -> int:
    """Free bytes on the file system that holds `path` or, where it is not there, its nearest parent."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


def writable(folder: Path) -> str | None:
    """Why no file can be made in `folder` (or in its nearest parent that is there), or None where it can."""
    folder = Path(folder).absolute()
    try:
        while not folder.exists():
            folder = folder.parent
        probe = folder / f".ellav-doctor-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        return error.strerror or str(error)
    return None


def _limits(root: Path, controller: str, read: Callable[[Path], float | None]) -> list:
    """Limits of this process's cgroup and of those above it. controller: "" for version 2."""
    found = []
    for folder in _groups(root, controller):
        try:
            limit = read(folder)
        except (OSError, ValueError, IndexError):
            continue
        if limit is not None:
            found.append(limit)
    return found


def _groups(root: Path, controller: str) -> list[Path]:
    """Folders of this process's cgroup, innermost first, up to the mount that holds them."""
    place = None
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = line.split(":", 2)
        if (controller in controllers.split(",")) if controller else controllers == "":
            place = path
    folders: list[Path] = []
    for line in _lines(root / "proc/self/mountinfo") if place is not None else ():
        before, _, after = line.partition(" - ")
        shown, point = before.split()[3:5]
        kind, _, options = after.split(maxsplit=2)
        if kind != ("cgroup" if controller else "cgroup2") or (controller and controller not in options.split(",")):
            continue
        # In a container the mount may show only a part of the tree, and the path may lie outside of it.
        inner = place[len(shown) :] if shown != "/" and place.startswith(shown) else place
        top = root / point.lstrip("/")
        folder = top / inner.lstrip("/")
        while folder != top and top in folder.parents:
            folders.append(folder)
            folder = folder.parent
        folders.append(top)
    return folders


def _quota2(folder: Path) -> float | None:
    quota, period = (folder / "cpu.max").read_text().split()
    return None if quota == "max" else int(quota) / int(period)


def _quota1(folder: Path) -> float | None:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    return None if quota <= 0 else quota / int((folder / "cpu.cfs_period_us").read_text())


def _memory2(folder: Path) -> int | None:
    content = (folder / "memory.max").read_text().strip()
    return None if content == "max" else int(content)


def _memory1(folder: Path) -> int | None:
    limit = int((folder / "memory.limit_in_bytes").read_text())
    return None if limit >= UNLIMITED else limit


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
