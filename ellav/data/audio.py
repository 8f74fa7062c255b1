"""Reading, judging, writing and resampling of waveforms."""

from __future__ import annotations

import io
import math
import os
import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import soundfile
import soxr

from ellav.data.outputs import beside
from ellav.data.sounds import PLACE, read_sound
from ellav.errors import UserError, one_line

FULL_SCALE = 0.99  # of 8-bit audio the highest value is 0.992
SILENT = 1e-3  # a recording whose every sample is below this (-60 dB) holds no speech
LEAST_RATE = 4000  # Hz
HIGHEST_RATE = 1_000_000  # Hz; a header that says more is damaged, or made to cost memory
STREAMED = 0x7FFFF000  # bytes; programs that write a WAV into a pipe announce at least this many
UNKNOWN = 1 << 62  # frames; libsndfile says more than this of a FLAC that was written into a pipe
BLOCK = 1 << 20  # frames that are read at once: what a header announces need not be there
ESTIMATE = 0.1  # s by which the announced length of an MP3 may be wrong, and the end of a segment
ENCODINGS = {"WAV": "PCM_16", "FLAC": "PCM_16", "OGG": "VORBIS"}  # what is written in each format
WRITTEN = 1 << 14  # samples that are written at once: libvorbis puts them on the stack, and minutes of them overflow it
NO_FORMAT = (1, 3)  # libsndfile's numbers for a format, or an encoding in it, that it does not know


class Recording(NamedTuple):
    """What stands in an audio file, or in a part of it: wav (samples, channels) float32, rate in Hz."""

    wav: np.ndarray
    rate: int


class SoundFile(soundfile.SoundFile):
    """A sound file that is read from front to back.

    soundfile seeks after each read where it can, and at the end of a FLAC of unknown length that fails.
    """

    def seekable(self) -> bool:
        """Whether soundfile may seek by itself."""
        return False

    @property
    def length(self) -> int | None:
        """Frames as announced, None where the file does not say."""
        return None if self.frames > UNKNOWN else self.frames

    def blocks_from(self, first: int, count: float) -> Iterator[np.ndarray]:
        """(samples, channels) float32 in pieces: `count` frames after the first `first`, or as many as there are."""
        if self.length is not None:
            self.seek(first)
        else:  # where it does not say its length it may seek to a wrong place, too
            first -= sum(map(len, self.blocks_from(0, first))) if first else 0
        while count > 0:
            wanted = int(min(count, BLOCK))
            block = self.read(wanted, dtype="float32", always_2d=True)
            yield block
            count = count - len(block) if len(block) == wanted else 0

    def part(self, first: int, count: float) -> np.ndarray:
        """The pieces of `blocks_from` as one."""
        return np.concatenate([np.zeros((0, self.channels), np.float32), *self.blocks_from(first, count)])


@contextmanager
def opened(source: Path | str | BinaryIO, name: object = None) -> Iterator[SoundFile]:
    """Any file that libsndfile reads, told by its content; one in an ark file, `FILE.ark:OFFSET`; of a file object all,
    wherever it stands.

    Raises UserError naming `name` (the file, if left out) for whatever a library or the system raises inside, and how
    to convert what libsndfile does not know.
    """
    is_path = isinstance(source, (str, os.PathLike))
    name = source if name is None else name
    try:
        with ExitStack() as stack:
            if is_path and PLACE.fullmatch(str(source)) and not os.path.exists(source):
                source, is_path = io.BytesIO(read_sound(str(source))), False
            stream = stack.enter_context(open(source, "rb")) if is_path else source
            if is_path and stream.seekable():
                if not os.fstat(stream.fileno()).st_size:
                    raise UserError(f"{name}: not readable (an empty file)")
                sound = stream.fileno()  # of a name its ending would count
            else:
                if stream.seekable():
                    stream.seek(0)
                sound = io.BytesIO(stream.read())
            file = stack.enter_context(SoundFile(sound, closefd=False))
            if file.samplerate > HIGHEST_RATE:
                raise UserError(f"{name}: a sample rate of {file.samplerate} Hz is none of a recording")
            yield file
    except (UserError, MemoryError):
        raise
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        hint = f"; if it is a recording, convert it: {_conversion(source)}" if error.code in NO_FORMAT else ""
        raise UserError(f"{name}: not readable ({one_line(reason)}){hint}") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower().replace(" or directory", "")
        raise UserError(f"{name}: not readable ({one_line(reason)})") from None
    except Exception as error:  # a strange file may bring about anything
        raise UserError(f"{name}: not readable ({type(error).__name__}: {one_line(error, 200)})") from None


def _conversion(source: Path | str | BinaryIO) -> str:
    path = Path(source) if isinstance(source, (str, os.PathLike)) else Path("x.m4a")
    made = path.with_suffix(".wav" if path.suffix.lower() != ".wav" else ".converted.wav")
    return f"ffmpeg -i {shlex.quote(str(path))} {shlex.quote(str(made))}"


def read_recording(wav: str, start: float = 0.0, end: float | None = None, allow_pipes: bool = False) -> Recording:
    """What lies between `start` and `end` seconds (None: all) of any file that libsndfile reads.

    The format is told by the content, whatever the file is called. allow_pipes: a `wav` that
    ends in `|` is a command, whose output is the file. Raises UserError saying why there is
    no audio to be had, or only part of it.
    """
    source: str | BinaryIO = wav
    if wav.endswith("|"):
        if not allow_pipes:
            raise UserError(f"{wav!r} is a command; commands run only with --allow-pipes true")
        try:
            source = io.BytesIO(subprocess.check_output(wav[:-1], shell=True))
        except (OSError, subprocess.CalledProcessError) as error:
            raise UserError(f"{wav}: not readable ({one_line(error)})") from None
    nothing = f"{wav}: empty" if end is None else f"{wav}: empty between start and end"
    with opened(source, wav) as file:
        rate, there = file.samplerate, file.length
        if rate < LEAST_RATE:
            raise UserError(f"{wav}: sample rate {rate} Hz is too low for speech")
        first = round(start * rate)
        last = math.inf if end is None else round(end * rate)
        if not 0 <= first < last or (there is not None and first >= there):
            raise UserError(nothing)
        read = file.part(first, min(last, math.inf if there is None else there) - first)
        there = first + len(read) if there is None else there
        cut_short = _cut_short(file.extra_info) and last >= there
        slack = ESTIMATE * rate if file.format == "MP3" else 0
    if not len(read):
        raise UserError(nothing)
    beyond = end is not None and last > there + ESTIMATE * rate
    if cut_short or beyond or len(read) < min(last, there) - first - slack:
        piped = f", or written into a pipe: {_conversion(wav)} makes a copy that knows its length" if slack else ""
        raise UserError(f"{wav}: truncated, {(first + len(read)) / rate:.2f} s are there{piped}")
    if not np.isfinite(read).all():
        raise UserError(f"{wav}: holds values that are not numbers")
    peak = np.abs(read.mean(axis=1)).max()
    if peak < SILENT:
        level = f"peaks at {20 * np.log10(peak):.0f} dB of full scale" if peak > 0 else "nothing but zeros"
        raise UserError(f"{wav}: silent, {level}")
    return Recording(read, rate)


def _cut_short(log: str) -> bool:
    """Whether a file's header announces more than there is, as libsndfile's log says.

    (Its `frames` are those that are there.)
    """
    sizes = re.search(r"data : (\d+) \(should be \d+\)", log)
    return sizes is not None and int(sizes[1]) < STREAMED


def clipped_share(wav: np.ndarray) -> float:
    """Share of the samples of (samples, channels) that lie in a run of three or more at full scale."""
    full = np.abs(wav) >= FULL_SCALE
    runs = full[2:] & full[1:-1] & full[:-2]
    flat = np.zeros_like(full)
    for shift in range(3):
        flat[shift : shift + len(runs)] |= runs
    return float(flat.mean())


def read_all(source: Path | str | BinaryIO, name: object = None) -> Recording:
    """All of a file, a path or open for reading, as it is there.

    Raises UserError naming `name` (the file, if left out) if it is missing, unreadable, empty or not finite.
    """
    name = source if name is None else name
    with opened(source, name) as file:
        wav, rate = file.part(0, math.inf), file.samplerate
    if not len(wav):
        raise UserError(f"{name}: holds no samples")
    if not np.isfinite(wav).all():
        raise UserError(f"{name}: holds samples that are not finite numbers")
    return Recording(wav, rate)


def read_wav(path: Path | str, sample_rate: int) -> np.ndarray:
    """(samples,) float32 at `sample_rate`: any format libsndfile reads, channels averaged.

    Raises UserError naming the file if it is missing, unreadable, empty or not finite.
    """
    wav, rate = read_all(path)
    return resample(wav.mean(axis=1), rate, sample_rate)


def seconds_of(path: Path | str) -> float:
    """How long a file lasts; it is read through where it does not say. Raises UserError where it is unreadable."""
    with opened(path) as file:
        frames = sum(map(len, file.blocks_from(0, math.inf))) if file.length is None else file.length
        return frames / file.samplerate


def read_about(source: Path | str | BinaryIO) -> dict[str, str]:
    """What the header says in words, by soundfile's names: title, software, date, comment and the like.

    Raises UserError as `read_all` does.
    """
    with opened(source) as file:
        return {name: value for name, value in file.copy_metadata().items() if value}


def write_wav(
    path: Path | str, wav: np.ndarray, sample_rate: int, comment: str = "", about: Mapping[str, str] | None = None
) -> None:
    """Write (samples,) beside and renamed, by the name's ending as WAV or FLAC of 16 bits, or as OGG (Vorbis).

    comment: kept in the file's header. about: what else is kept there, by the names of `read_about`.
    Raises OSError naming the file where the disk is full, of which libsndfile says nothing.
    """
    content = encoded_wav(wav, sample_rate, Path(path).suffix.lstrip(".").upper(), comment, about)
    with beside(path) as temporary:
        temporary.write_bytes(content)


def encoded_wav(
    wav: np.ndarray, sample_rate: int, kind: str, comment: str = "", about: Mapping[str, str] | None = None
) -> bytes:
    """The content of the file that `write_wav` writes. kind: WAV, FLAC or OGG."""
    encoded = io.BytesIO()
    # Vorbis keeps what is louder than full scale, for players to deal with.
    wav = np.clip(wav, -1, 1) if kind == "OGG" else as_pcm(wav)
    with soundfile.SoundFile(encoded, "w", sample_rate, 1, ENCODINGS[kind], format=kind) as file:
        for name, value in {"comment": comment, **(about or {})}.items():
            if value:
                setattr(file, name, value)
        for first in range(0, len(wav), WRITTEN):
            file.write(wav[first : first + WRITTEN])
    return encoded.getvalue()


def as_pcm(wav: np.ndarray) -> np.ndarray:
    """(samples,) float32 in [-1, 1] as int16, from which reading gives the same again; what is louder is cut off.

    (libsndfile rounds by another full scale for each of its formats.)
    """
    return np.clip(np.round(np.asarray(wav, np.float32) * 32768), -32768, 32767).astype("<i2")


def resample(wav: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """(samples,) float32 from `rate` to `sample_rate` Hz."""
    if rate == sample_rate:
        return np.ascontiguousarray(wav, dtype=np.float32)
    return soxr.resample(wav, rate, sample_rate).astype(np.float32)
