"""The formats that speech is sent in: encoded in memory by libsndfile, whole or piece by piece."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from ellav.data.audio import WRITTEN, as_pcm

DEFAULT = "mp3"
"""What OpenAI's clients get without asking."""

UNKNOWN_LENGTH = 0xFFFFFFFF
"""Bytes that a WAV announces which is sent before its end is known, as players and libsndfile read it."""


WAV_NAMES = {"title": b"INAM", "software": b"ISFT", "date": b"ICRD", "comment": b"ICMT"}
"""Of a WAV's chunks for words."""


class Format(NamedTuple):
    """media: its media type. container, encoding: libsndfile's names. rates: Hz that it can have, None for any.
    streams: whether it can be sent before its end is known."""

    media: str
    container: str
    encoding: str
    rates: tuple[int, ...] | None = None
    streams: bool = True


FORMATS = {
    "mp3": Format(
        "audio/mpeg", "MP3", "MPEG_LAYER_III", (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
    ),
    "opus": Format("audio/ogg", "OGG", "OPUS", (8000, 12000, 16000, 24000, 48000)),
    "flac": Format("audio/flac", "FLAC", "PCM_16"),
    "wav": Format("audio/wav", "WAV", "PCM_16"),
    "pcm": Format("audio/pcm", "RAW", "PCM_16", (24000,)),
}
"""By OpenAI's names. `pcm` is 24 kHz, signed 16-bit little-endian without a header, as theirs."""


def formats_here() -> dict[str, Format]:
    """Those that the libsndfile of this machine writes."""
    containers = soundfile.available_formats()
    return {
        name: format
        for name, format in FORMATS.items()
        if format.container in containers and format.encoding in soundfile.available_subtypes(format.container)
    }


class Encoder:
    """Encodes one speech of `rate` Hz. whole: it is pushed as one piece, so that a header tells how long it is.

    about: what the header says in words, by the names of `ellav.data.audio.read_about`; PCM has none.
    What is sent in pieces cannot be taken back: a FLAC so says nothing of its length, a WAV that it is unknown.
    The attribute `rate` is what the encoded speech has: the next higher one that the format can have.
    """

    def __init__(self, format: Format, rate: int, whole: bool = False, about: Mapping[str, str] | None = None):
        fitting = [r for r in format.rates or (rate,) if r >= rate] or [max(format.rates)]
        self.rate = min(fitting)
        self._resample = soxr.ResampleStream(rate, self.rate, 1, dtype="float32") if self.rate != rate else None
        header_by_hand = format.container == "WAV" and not whole
        self._header = _wav_header(self.rate, about or {}) if header_by_hand else b""
        container, self._out = "RAW" if header_by_hand else format.container, _Sent()
        endian = "LITTLE" if container == "RAW" else None
        # Of an MP3 whose length is not told, readers estimate it by the size of its first frames.
        mode = {"bitrate_mode": "CONSTANT", "compression_level": 0.5} if container == "MP3" and not whole else {}
        self._file = soundfile.SoundFile(self._out, "w", self.rate, 1, format.encoding, endian, container, **mode)
        for name, value in (about or {}).items() if container != "RAW" else ():
            setattr(self._file, name, value)

    def push(self, wav: np.ndarray, last: bool) -> bytes:
        """What can be sent now of (samples,) float32 that come next. last: no more come."""
        if self._resample is not None:
            wav = self._resample.resample_chunk(np.ascontiguousarray(wav, np.float32), last)
        # What is louder Ogg would keep, for players to deal with.
        wav = as_pcm(wav) if self._file.subtype == "PCM_16" else np.clip(wav, -1, 1)
        for first in range(0, len(wav), WRITTEN):
            self._file.write(wav[first : first + WRITTEN])
        if last:
            self._file.close()
        else:
            self._file.flush()
        header, self._header = self._header, b""
        return header + self._out.take()


def encoded(wav: np.ndarray, rate: int, format: Format, about: Mapping[str, str] | None = None) -> bytes:
    """A whole speech of (samples,) float32 at `rate` Hz."""
    return Encoder(format, rate, True, about).push(wav, True)


def _wav_header(rate: int, about: Mapping[str, str]) -> bytes:
    samples = struct.pack("<IHHIIHH", 16, 1, 1, rate, 2 * rate, 2, 16)
    length = struct.pack("<I", UNKNOWN_LENGTH)
    said = b"INFO"
    for name, value in about.items():
        words = value.encode() + b"\0"
        said += WAV_NAMES[name] + struct.pack("<I", len(words)) + words + b"\0" * (len(words) % 2)
    listed = b"LIST" + struct.pack("<I", len(said)) + said if about else b""
    return b"RIFF" + length + b"WAVEfmt " + samples + listed + b"data" + length


class _Sent:
    """A file in memory that forgets what was taken of it; what a library writes there later is dropped."""

    def __init__(self):
        self._kept, self._gone, self._at = bytearray(), 0, 0

    def take(self) -> bytes:
        """What was written since."""
        taken = bytes(self._kept)
        self._gone += len(taken)
        self._kept.clear()
        return taken

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        end = self._gone + len(self._kept)
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: end}[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def write(self, content) -> int:
        content = bytes(content)
        late = min(len(content), max(0, self._gone - self._at))  # bytes whose place has been taken already
        at = self._at + late - self._gone
        self._kept[at : at + len(content) - late] = content[late:]
        self._at += len(content)
        return len(content)
