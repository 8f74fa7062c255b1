"""Output folders of stages: written beside, renamed, and recorded when done.

A finished folder holds `done.json`: a key (hash of the options and of the inputs'
own records) and what each input's key was. So a repeated stage is cheap, a killed one is
resumed, and a stage that would read stale files refuses and names what to rerun.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ellav.errors import UserError

RECORD = "done.json"


@contextmanager
def writing(out: Path, stage: str, options: dict, inputs: list[Path]) -> Iterator[Path | None]:
    """The folder to write into; becomes `out` when the block ends without an error.

    stage: what to rerun to make this folder, for example "3 (phones)". options: plain
    values that the content depends on. inputs: folders made by earlier stages, or files.
    Yields None where `out` is already up to date. What an interrupted run with the same
    key left is still in the folder, for the caller to reuse.
    """
    out = Path(out)
    sources = {str(path): fingerprint(Path(path)) for path in inputs}
    key = _hash({"options": options, "inputs": sorted(sources.values())})
    if read_record(out).get("key") == key:
        print(f"{out}: up to date")
        yield None
        return
    partial = out.with_name(out.name + ".partial")
    started = partial / "started"
    if not started.exists() or started.read_text() != key:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        started.write_text(key)
    yield partial
    started.unlink()
    record = {"key": key, "stage": stage, "options": options, "inputs": sources}
    write_text(partial / RECORD, json.dumps(record, indent=1, default=str) + "\n")
    if out.exists():
        old = out.with_name(out.name + ".old")
        shutil.rmtree(old, ignore_errors=True)
        os.rename(out, old)
        os.rename(partial, out)
        shutil.rmtree(old)
    else:
        os.rename(partial, out)


def fingerprint(path: Path) -> str:
    """The key of a stage's folder, or the hash of a file's or plain folder's content.

    Raises UserError where it is missing or made from inputs that have changed since.
    """
    if not path.exists():
        raise UserError(f"{path}: not there; run the stage that makes it first")
    if path.is_file():
        return hashlib.sha256(path.read_bytes()).hexdigest()
    record = read_record(path)
    if not record:
        files = sorted(p for p in path.iterdir() if p.is_file())
        return _hash([(p.name, hashlib.sha256(p.read_bytes()).hexdigest()) for p in files])
    for source, key in record["inputs"].items():
        if Path(source).exists() and fingerprint(Path(source)) != key:
            raise UserError(f"{path}: made from an older {source}; rerun stage {record['stage']}")
    return record["key"]


def need(path: Path, stage: str) -> Path:
    """`path`, if it is there; otherwise a UserError that names the stage to run."""
    if not Path(path).exists():
        raise UserError(f"{path}: not there; run stage {stage} first")
    return Path(path)


def read_record(folder: Path) -> dict:
    """The `done.json` of a folder, empty where there is none."""
    try:
        return json.loads((Path(folder) / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return {}


def write_text(path: Path, content: str) -> None:
    """Write a file beside and rename it, so that readers never see half of it."""
    beside = Path(path).with_name(Path(path).name + ".tmp")
    beside.write_text(content, encoding="utf-8")
    os.replace(beside, path)


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
