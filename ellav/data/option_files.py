"""Options that name files: what they depend on, and how a packed model carries them along."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

from ellav.config import checked, paths
from ellav.errors import UserError


def named_files(target: Callable, conf: dict, what: str) -> dict[str, Path]:
    """The options of `conf` that `target` declares as Path, with a value.

    Raises UserError naming the option where nothing is there.
    """
    fitted = checked(target, conf, what)
    files = {name: fitted[name] for name in paths(target) if fitted.get(name) is not None}
    for name, path in files.items():
        if not path.exists():
            raise UserError(f"{what}: option {name}: {path} is not there")
    return files


def file_hashes(files: dict[str, Path]) -> dict[str, str]:
    """By option: the hash of a file's content, or of the names, sizes and times in a folder."""
    return {name: _digest(path) for name, path in files.items()}


def copy_files(target: Callable, conf: dict, what: str, folder: Path, name: str) -> dict:
    """`conf` with its files copied into folder/name and named relative to `folder`."""
    carried = {key.replace("-", "_"): value for key, value in conf.items()}
    for option, path in named_files(target, conf, what).items():
        place = Path(name) / (option + "".join(path.suffixes[-1:]))
        (folder / name).mkdir(exist_ok=True)
        if path.is_dir():
            shutil.copytree(path, folder / place, dirs_exist_ok=True)
        else:
            shutil.copyfile(path, folder / place)
        carried[option] = str(place)
    return carried


def resolve_files(target: Callable, conf: dict, folder: Path) -> dict:
    """`conf` as `copy_files` left it, with its files looked up in `folder`.

    Raises UserError for a path that leads out of it: a packed model brings its own files.
    """
    found = dict(conf)
    for option in paths(target):
        if conf.get(option) is not None:
            found[option] = Path(folder) / str(conf[option])
            if not found[option].resolve().is_relative_to(Path(folder).resolve()):
                raise UserError(f"{folder}: option {option}: {conf[option]} is not inside the folder; pack it again")
    return found


def _digest(path: Path) -> str:
    total = hashlib.sha256()
    if path.is_file():
        total.update(path.read_bytes())
    else:
        for inside in sorted(path.rglob("*")):
            about = inside.stat()
            total.update(f"{inside.relative_to(path)} {about.st_size} {about.st_mtime_ns}\n".encode())
    return total.hexdigest()
