"""Sets that are cut into shards: `SET/shards/K-of-N/`, each a folder as an uncut set would be, of its own utterances.

All that a stage makes of a set has the shards of what it was made from.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from ellav.errors import UserError

T = TypeVar("T")

SHARDS = "shards"
RECORD = "done.json"
"""What a stage leaves in a folder that is complete."""
WHOLE = Path(".")
"""The part of a set that is not cut."""
_NAME = re.compile(r"(\d+)-of-(\d+)")


def shard_name(number: int, count: int) -> str:
    """Of one of `count` shards, from 1; names sort as their numbers."""
    width = max(4, len(str(count)))
    return f"{number:0{width}}-of-{count:0{width}}"


def shard_folders(folder: Path, stage: str = "the stage that makes them") -> list[Path]:
    """A set's shards in their order; where it is not cut, the folder alone.

    stage: what to rerun where something is wrong with them. Raises
    UserError where one of `K-of-N` is missing, or there are none at all.
    """
    try:
        entries = [entry.name for entry in os.scandir(folder / SHARDS) if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return [folder]
    names = sorted(
        (name for name in entries if "." not in name), key=os.fsencode
    )  # .partial and .old are in the making
    found = _NAME.fullmatch(names[0]) if names else None
    if not names:
        raise UserError(f"{folder / SHARDS}: no shards; rerun {stage}")
    if found:
        wanted = [shard_name(number, int(found[2])) for number in range(1, int(found[2]) + 1)]
        odd = sorted(set(wanted) ^ set(names))
        if odd and odd[0] in names:
            raise UserError(f"{folder / SHARDS}: {odd[0]} is of another cut than {names[0]}; rerun {stage}")
        if odd:
            first = f"{len(odd)} of {len(wanted)} shards are missing, {odd[0]} first"
            raise UserError(f"{folder / SHARDS}: {first}; rerun {stage}")
    return [folder / SHARDS / name for name in names]


def tables_of(path: Path) -> list[Path]:
    """The files that a table of a set consists of: itself, or that of each shard that has it; none if there is none.

    A folder consists of itself.
    """
    if path.is_dir():
        return [path]
    return [p for folder in shard_folders(path.parent) if (p := folder / path.name).exists()]


def parts_of(source: Path, out: Path, number: int | None = None) -> list[Path]:
    """The paths of a set's parts below its folder: `shards/K-of-N` each, or WHOLE. number: of one shard, from 1; all if
    None.

    What earlier runs made in `out` of another cut of the set goes. Raises UserError where there is no such shard.
    """
    parts = [folder.relative_to(source) for folder in shard_folders(source)]
    if number is not None and not 1 <= number <= len(parts):
        raise UserError(f"{source}: has no shard {number}, but {len(parts)}")
    if parts != [WHOLE] and out.is_dir():
        _remove_other_cuts(out, {part.name for part in parts})
    return parts if number is None else [parts[number - 1]]


def _remove_other_cuts(out: Path, names: set[str]) -> None:
    """Safe while other processes do the same, or make one of the shards that stay."""
    record = out / RECORD  # of the uncut set, which is to be removed as long as it stands there
    uncut = [path for path in out.iterdir() if path.name not in (SHARDS, RECORD)] if record.exists() else []
    cuts = list((out / SHARDS).iterdir()) if (out / SHARDS).is_dir() else []
    for path in (*uncut, *(path for path in cuts if path.name.partition(".")[0] not in names)):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    record.unlink(missing_ok=True)


def some_of(items: Sequence[T], most: int) -> list[T]:
    """At most so many, evenly over all."""
    return [items[place * len(items) // min(most, len(items))] for place in range(min(most, len(items)))]
