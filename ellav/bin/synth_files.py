"""What `ellav synth` writes, checked before anything heavy is loaded and there is anything to lose."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ellav.errors import UserError

FORMATS = (".wav", ".flac")
STDOUT = "-"
"""The name of standard output."""


def check_files(out: Path, textgrid: Path | None, prompt: str | None) -> None:
    """Refuse names that say nothing of the format, files that cannot be written, and the prompt itself."""
    if out.suffix.lower() not in FORMATS:
        raise UserError(f"{out}: must end in {' or '.join(FORMATS)}")
    if textgrid is not None and textgrid.suffix.lower() != ".textgrid":
        raise UserError(f"{textgrid}: must end in .TextGrid")
    check_writable(out, "--out", prompt)
    if textgrid is not None:
        check_writable(textgrid, "--textgrid", prompt)


def check_stream(stream: str, out: Path | None, textgrid: Path | None, prompt: str | None) -> None:
    """Refuse where no stream can go, and what cannot be written beside one."""
    for option, path in (("--out", out), ("--textgrid", textgrid)):
        if path is not None:
            raise UserError(f"--stream and {option} exclude each other: a stream is samples and nothing else")
    if stream == STDOUT:
        if sys.stdout.isatty():
            raise UserError("--stream -: standard output is a terminal; pipe it into a player, or name a file")
        return
    path = Path(stream)
    if path.exists() and not path.is_file() and not path.is_dir():  # a named pipe or a device
        if not os.access(path, os.W_OK):
            raise UserError(f"{path}: cannot be written; name another place with --stream")
        return
    check_writable(path, "--stream", prompt)


def check_writable(path: Path, option: str, prompt: str | None) -> None:
    """Refuse a file that cannot be written, or that is the prompt."""
    if not path.parent.is_dir():
        raise UserError(f"{path}: the folder {path.parent} does not exist; make it first")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file in it")
    beside = path.with_name(path.name + ".tmp")
    try:
        beside.open("wb").close()
        beside.unlink()
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}; name another place with {option}") from None
    if prompt and os.path.exists(prompt) and os.path.realpath(path) == os.path.realpath(prompt):
        raise UserError(f"{option} {path}: is the prompt itself, which would be lost; name another file")
