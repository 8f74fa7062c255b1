"""Output folders of stages: written beside, renamed, and recorded when done.

A finished folder holds `done.json`: a key (hash of the options and of the inputs'
own records) and what each input's key was. So a repeated stage is cheap, a killed one is
resumed, and a stage that would read stale files refuses and names what to rerun.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ellav.data.files import describe
from ellav.data.shards import RECORD, shard_folders, tables_of
from ellav.errors import UserError

STARTED = "started"
"""Names the key of an unfinished folder."""


@contextmanager
def writing(out: Path, stage: str, options: dict, inputs: list[Path]) -> Iterator[Path | None]:
    """The folder to write into; becomes `out` when the block ends without an error.

    stage: what to rerun to make this folder, for example "3 (phones)". options: plain
    values that the content depends on. inputs: folders made by earlier stages, or files.
    Yields None where `out` is already up to date. What an interrupted run with the same
    key left is still in the folder, for the caller to reuse. Raises UserError where another
    process is making the folder.
    """
    out = Path(out)
    known: dict[Path, str] = {}
    sources = {str(path): fingerprint(Path(path), known) for path in inputs}
    key = _hash({"options": options, "inputs": sorted(sources.values())})
    if _is_done(out, key):
        yield None
        return
    with locked(out):
        _finish_renames(out, key)
        if _is_done(out, key):
            yield None
            return
        partial, started = _partial(out), _partial(out) / STARTED
        if not started.exists() or started.read_text() != key:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            write_text(started, key)
        yield partial
        record = {"key": key, "stage": stage, "options": options, "inputs": sources}
        write_text(partial / RECORD, json.dumps(record, indent=1, default=str) + "\n")
        _replace(out)


def _is_done(out: Path, key: str) -> bool:
    if read_record(out).get("key") != key:
        return False
    shutil.rmtree(_old(out), ignore_errors=True)
    if _lock(out).exists():  # perhaps left by a killed process
        with contextlib.suppress(UserError, OSError), locked(out):
            pass
    print(f"{out}: up to date")
    return True


def _replace(out: Path) -> None:
    """Put the complete partial folder in place of `out`. `_finish_renames` mends a kill anywhere in it."""
    (_partial(out) / STARTED).unlink(missing_ok=True)
    if out.exists():
        shutil.rmtree(_old(out), ignore_errors=True)
        os.rename(out, _old(out))
    os.rename(_partial(out), out)
    shutil.rmtree(_old(out), ignore_errors=True)


def _finish_renames(out: Path, key: str) -> None:
    """Go on where an earlier process was killed between completing a folder and its last rename."""
    if read_record(_partial(out)).get("key") == key:
        _replace(out)
    elif not out.exists() and read_record(_old(out)):
        os.rename(_old(out), out)


def _partial(out: Path) -> Path:
    return out.with_name(out.name + ".partial")


def _old(out: Path) -> Path:
    return out.with_name(out.name + ".old")


def _lock(out: Path) -> Path:
    return out.with_name(out.name + ".lock")


@contextmanager
def locked(out: Path, wait: bool = False) -> Iterator[None]:
    """Keep other processes from writing `out`; raises UserError naming the one that does, or waits for it.

    The lock is on an open file, so the kernel gives it back with the process, however that
    ends: a file that is left behind blocks nobody.
    """
    path = _lock(Path(out))
    path.parent.mkdir(parents=True, exist_ok=True)
    stream = _take(path, out, wait)
    try:
        with contextlib.suppress(OSError):  # a full disk is reported by what needs more room
            stream.truncate(0)
            stream.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
        yield
    finally:
        try:
            path.unlink(missing_ok=True)
        finally:
            stream.close()


def _take(path: Path, out: Path, wait: bool):
    """The lock file, open and locked."""
    while True:
        try:
            stream = open(path, "a+b", buffering=0)  # noqa: SIM115
        except PermissionError as error:
            raise UserError(f"{path.parent}: cannot be written: {error.strerror.lower()}; name another place") from None
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            stream.seek(0)
            holder = stream.read().decode(errors="replace") or "another process"
            stream.close()
            raise UserError(f"{out}: {holder} is writing it; wait until that has ended, or stop it") from None
        except OSError as error:  # some network file systems have no locks
            print(f"{path}: cannot be locked ({error.strerror}); run only one process here", file=sys.stderr)
            return stream
        if _is_at(stream, path):
            return stream
        stream.close()  # its last holder removed the file after it was opened here


def _is_at(stream, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(stream.fileno()), path.stat())
    except FileNotFoundError:
        return False


def fingerprint(path: Path, known: dict[Path, str] | None = None) -> str:
    """The key of a stage's folder, or the hash of what a file or plain folder holds; of a set in shards, of these.

    known: what was found before, so that nothing is read twice. Raises UserError where it is missing or made from
    inputs that have changed since.
    """
    known = {} if known is None else known
    if path not in known:
        known[path] = _fingerprint(path, known)
    return known[path]


def _fingerprint(path: Path, known: dict[Path, str]) -> str:
    if not path.exists():
        raise UserError(f"{path}: not there; run the stage that makes it first")
    if path.is_file():
        return _hash_of_file(path)
    record = read_record(path)
    if not record:
        shards = [shard for shard in shard_folders(path) if shard != path]
        files = [(p.name, _hash_of_file(p)) for p in sorted(path.iterdir()) if p.is_file()]
        return _hash(files + [(str(shard.relative_to(path)), fingerprint(shard, known)) for shard in shards])
    for source, key in record["inputs"].items():
        if Path(source).exists() and fingerprint(Path(source), known) != key:
            raise UserError(f"{path}: made from an older {source}; rerun stage {record['stage']}")
    for source, state in record.get("files", {}).items():
        if Path(source).exists() and describe(os.stat(source)) != state:
            raise UserError(f"{path}: made from an older {source}; rerun stage {record['stage']}")
    return record["key"]


def _hash_of_file(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def need(path: Path, stage: str) -> Path:
    """`path`, if it is there, or is a table of a set's shards; otherwise a UserError that names the stage to run."""
    if not tables_of(Path(path)):
        raise UserError(f"{path}: not there; run stage {stage} first")
    return Path(path)


def read_record(folder: Path) -> dict:
    """The `done.json` of a folder, empty where there is none."""
    try:
        return json.loads((Path(folder) / RECORD).read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}


def write_text(path: Path, content: str) -> None:
    """Write a file beside and rename it, so that readers never see half of it."""
    with beside(path) as temporary:
        temporary.write_text(content, encoding="utf-8")


@contextmanager
def beside(path: Path) -> Iterator[Path]:
    """Where to write a file that becomes `path` when the block ends, and is removed if it fails."""
    path = Path(path)
    temporary = path.with_name(path.name + ".tmp")
    try:
        with naming(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Whatever goes wrong with the disk inside becomes an OSError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.filename is None or str(error.filename).endswith(".tmp"):
            error.filename, error.filename2 = str(path), None
        raise
    except Exception as error:
        number = _number_of_system_error(error)
        if number is None:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def _number_of_system_error(error: Exception) -> int | None:
    """Libraries written in other languages put the system's error into words, or raise their own above it."""
    while error is not None:
        if isinstance(error, OSError):
            return error.errno
        in_words = re.search(r"os error (\d+)", str(error))
        if in_words:
            return int(in_words[1])
        error = error.__context__
    return None


def is_full(error: OSError) -> bool:
    """Whether the disk, a quota or the largest size of a file is used up."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _hash(value) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:16]
