"""Audio files in Kaldi ark files, as ESPnet and kaldiio have them, so that a large set has not a file an utterance."""

from __future__ import annotations

import re
from pathlib import Path

from ellav.errors import UserError

PLACE = re.compile(r"(.+\.ark):(\d+)")
"""What names an entry in wav.scp."""
_FLAG = b"AUDIO"


def sound_entry(content: bytes) -> bytes:
    """The entry of an audio file's content."""
    width = (len(content).bit_length() + 7) // 8
    return _FLAG + bytes([width]) + len(content).to_bytes(width, "little") + content


def read_sound(place: str) -> bytes:
    """The content of the audio file at a PLACE. Raises OSError where there is no such file, UserError for anything else
    that stands there."""
    path, offset = PLACE.fullmatch(place).groups()
    with open(path, "rb") as stream:
        stream.seek(int(offset))
        head = stream.read(len(_FLAG) + 1)
        if head[:-1] != _FLAG:
            raise UserError(f"{place}: no audio stands there; rerun stage 2 (format wavs)")
        size = int.from_bytes(stream.read(head[-1]), "little")
        content = stream.read(size)
    if len(content) != size:
        raise UserError(f"{place}: {size} bytes announced, {len(content)} there; rerun stage 2 (format wavs)")
    return content


def as_file(place: str, folder: Path, name: str) -> Path:
    """The audio file that wav.scp names, for programs that read nothing else; one in an ark is written to
    `folder/NAME.flac`."""
    if not PLACE.fullmatch(place) or Path(place).exists():
        return Path(place)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.flac"
    path.write_bytes(read_sound(place))
    return path


def kept_in(place: Path | str) -> Path:
    """What is to be looked at to know whether a sound has changed: its file, or the shard whose ark it is in."""
    archived = PLACE.fullmatch(str(place))
    return Path(archived[1]).parent if archived and not Path(place).exists() else Path(place)
