"""Figures of a test set with their intervals, and where they were measured."""

from __future__ import annotations

import datetime
import math
import platform
import subprocess
from collections.abc import Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np

from ellav.errors import one_line

PACKAGES = ("ellav", "torch", "numpy", "pocketsphinx", "resemblyzer", "jiwer", "faster-whisper", "whisper-normalizer")
RESAMPLES = 1000


def bootstrap(pairs: Sequence[tuple[float, float]], seed: int = 0, level: float = 0.95) -> dict | None:
    """`sum(numerators) / sum(denominators)` with its interval over resampled utterances.

    Returns value, low, high and the number of utterances, or None where nothing was counted.
    """
    numerators, denominators = np.array(pairs, dtype=float).reshape(-1, 2).T
    if not denominators.sum() > 0:
        return None
    random = np.random.default_rng(seed)
    values = []
    for _ in range(RESAMPLES):
        drawn = random.integers(0, len(numerators), len(numerators))
        below = denominators[drawn].sum()
        if below > 0:
            values.append(numerators[drawn].sum() / below)
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    value = numerators.sum() / denominators.sum()
    return {"value": float(value), "low": float(low), "high": float(high), "utterances": len(numerators)}


def summarise(scored: Sequence[dict], metrics: Sequence[str]) -> dict[str, dict]:
    """Metric -> its `bootstrap`, of utterances' records as `ellav score` writes them."""
    found = {name: bootstrap([one[name] for one in scored if name in one]) for name in metrics}
    return {name: figure for name, figure in found.items() if figure is not None}


def figure(made: dict | None) -> str:
    """`12.3 (10.1 to 14.9)`, or a dash where there is nothing."""
    if made is None:
        return "–"
    largest = max(abs(made["low"]), abs(made["high"]), abs(made["value"]))
    digits = 1 if largest >= 10 else 2 if largest >= 1 else 3
    value, low, high = (f"{made[name]:.{digits}f}" for name in ("value", "low", "high"))
    return value if low == high == value else f"{value} ({low} to {high})"


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with its columns padded to one width; HTML and `|` in a cell are shown as they are written."""
    cells = [[escape(one_line(cell), quote=False).replace("|", "\\|") for cell in row] for row in (header, *rows)]
    widths = [max(3, *(len(row[i]) for row in cells)) for i in range(len(header))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


def environment(folder: Path) -> dict:
    """Date, git commit of `folder`, processor, system and versions, for the head of a report."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "date": datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M %Z"),
        "git": git_commit(folder),
        "cpu": cpu_name(),
        "system": f"{platform.system()} {platform.release()}",
        "versions": versions,
    }


def git_commit(folder: Path) -> str:
    """Short hash of the commit, `+` where the files differ from it, `unknown` outside a checkout."""
    try:
        commit = _git(folder, "rev-parse", "--short", "HEAD")
        return commit + ("+" if _git(folder, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def cpu_name() -> str:
    """The processor's name and the number of its cores."""
    name = platform.processor() or platform.machine()
    cores = 0
    try:
        for line in Path("/proc/cpuinfo").read_text(errors="replace").splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                name = value.strip()
                cores += 1
    except OSError:
        pass
    return f"{name}, {cores or '?'} cores"


def number(value: float) -> str:
    """A plain figure for a table: 4 digits at most after what matters."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
