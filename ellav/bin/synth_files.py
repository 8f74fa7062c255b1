"""What `ellav synth` writes: checked before anything heavy is loaded and there is anything to lose, then written."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from ellav.errors import UserError

FORMATS = {".wav": "16 bits", ".flac": "16 bits", ".ogg": "Vorbis"}
"""Endings of audio files, and how each is encoded."""

STDOUT = "-"
"""The name of standard output."""

BESIDE = True
"""In place of the name of a file of times: it is called after the audio."""


class Files(NamedTuple):
    """Where one speech goes. textgrid, srt: the times of its phones and words, None where they are not wanted."""

    audio: Path
    textgrid: Path | None = None
    srt: Path | None = None

    def all_there(self) -> bool:
        """Whether each of them exists."""
        return all(path.exists() for path in self if path is not None)


def place(given: str) -> Path | bool | None:
    """A file of times, for argparse's `type`; `true` and `false` are for configurations."""
    return {"true": BESIDE, "false": None}.get(given, Path(given))


def files_of(audio: Path, textgrid: Path | bool | None, srt: Path | bool | None) -> Files:
    """The files of one speech, those of its times called after the audio where they have no name of their own."""
    places = []
    for given, ending in ((textgrid, ".TextGrid"), (srt, ".srt")):
        places.append(audio.with_suffix(ending) if given is BESIDE else given)
    return Files(audio, *places)


def check_files(files: Files, prompt: str | None) -> None:
    """Refuse names that say nothing of the format, files that cannot be written, and the prompt itself."""
    check_format(files.audio)
    for path, ending in ((files.textgrid, ".TextGrid"), (files.srt, ".srt")):
        if path is not None and path.suffix.lower() != ending.lower():
            raise UserError(f"{path}: must end in {ending}")
    check_times(files.textgrid)
    for path, option in zip(files, ("--out", "--textgrid", "--srt"), strict=True):
        if path is not None:
            check_writable(path, option, prompt)


def check_format(audio: Path) -> None:
    """Refuse an ending that names no format which can be written."""
    if str(audio) == STDOUT:
        raise UserError(f"--out {STDOUT}: to write into a pipe use --stream {STDOUT}")
    if not audio.name or audio.name.lower() in FORMATS:
        raise UserError(f"--out {audio}: is the ending of a file without its name, for example speech.wav")
    if audio.suffix.lower() not in FORMATS:
        raise UserError(f"{audio}: must end in {', '.join(list(FORMATS)[:-1])} or {list(FORMATS)[-1]}")


def check_times(textgrid: Path | bool | None) -> None:
    """Refuse a TextGrid where the library that writes them is not there."""
    if textgrid and find_spec("praatio") is None:
        raise UserError("--textgrid needs praatio; pip install 'ellav[align]'")


def check_stream(stream: str, others: dict[str, object], prompt: str | None) -> None:
    """Refuse where no stream can go, and what cannot be made beside one. others: options by name, None if not given."""
    for option, given in others.items():
        if given is not None:
            raise UserError(f"--stream and {option} exclude each other: a stream is samples and nothing else")
    if stream == STDOUT:
        if sys.stdout is None:
            raise UserError("--stream -: standard output is closed; pipe it into a player, or name a file")
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


def check_ordering(ordering, option: str) -> None:
    """Refuse times where the ordering of a loaded model keeps none, before anything is spoken."""
    if not ordering.needs_durations:
        raise UserError(f"{option}: the ordering {ordering.name} of this model keeps no times of phones; leave it out")


def write_speech(files: Files, speech) -> None:
    """Write a speech and its times, each file beside and renamed.

    Raises UserError where times are wanted and it has none; the audio is written then.
    """
    from ellav.data.audio import write_wav

    write_wav(files.audio, speech.wav, speech.sample_rate, about=speech.about)
    if files.textgrid is None and files.srt is None:
        return
    if speech.durations is None:
        raise UserError(f"{files.audio}: is written, but the model's ordering keeps no times of phones")
    from ellav.infer.textgrid import write_textgrid
    from ellav.infer.times import word_times, write_srt

    said = speech.symbols, speech.word_of_phone, speech.durations, speech.frame_rate, speech.words
    if files.textgrid is not None:
        write_textgrid(files.textgrid, *said)
    if files.srt is not None:
        write_srt(files.srt, word_times(*said))
