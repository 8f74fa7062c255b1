"""Reading, judging, writing and resampling of waveforms."""

from __future__ import annotations

import io
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
import soxr

from ellav.data.outputs import beside
from ellav.errors import UserError, one_line

FULL_SCALE = 0.99  # of 8-bit audio the highest value is 0.992
SILENT = 1e-3  # a recording whose every sample is below this (-60 dB) holds no speech
LEAST_RATE = 4000  # Hz
STREAMED = 0x7FFFF000  # bytes; programs that write a WAV into a pipe announce at least this many


class Recording(NamedTuple):
    """What stands in an audio file, or in a part of it: wav (samples, channels) float32, rate in Hz."""

    wav: np.ndarray
    rate: int


def read_recording(wav: str, start: float = 0.0, end: float | None = None, allow_pipes: bool = False) -> Recording:
    """What lies between `start` and `end` seconds (None: all) of any file that libsndfile reads.

    The format is told by the content, whatever the file is called. allow_pipes: a `wav` that
    ends in `|` is a command, whose output is the file. Raises UserError saying why there is
    no audio to be had, or only part of it.
    """
    is_command = wav.endswith("|")
    if is_command and not allow_pipes:
        raise UserError(f"{wav!r} is a command; commands run only with --allow-pipes true")
    try:
        source = io.BytesIO(subprocess.check_output(wav[:-1], shell=True)) if is_command else wav
        with soundfile.SoundFile(source) as file:
            rate, promised = file.samplerate, file.frames
            if rate < LEAST_RATE:
                raise UserError(f"{wav}: sample rate {rate} Hz is too low for speech")
            first = round(start * rate)
            last = promised if end is None else round(end * rate)
            if not 0 <= first < last or first >= promised:
                raise UserError(f"{wav}: empty" if end is None else f"{wav}: empty between start and end")
            cut_short = _cut_short(file.extra_info) and last >= promised
            file.seek(first)
            read = file.read(min(last, promised) - first, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, subprocess.CalledProcessError) as error:
        raise UserError(f"{wav}: not readable ({one_line(error)})") from None
    if cut_short or len(read) < min(last, promised) - first or last > promised + 0.1 * rate:
        raise UserError(f"{wav}: truncated, {(first + len(read)) / rate:.2f} s are there")
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


def read_wav(path: Path | str, sample_rate: int) -> np.ndarray:
    """(samples,) float32 at `sample_rate`: any format libsndfile reads, channels averaged.

    Raises UserError naming the file if it is missing, unreadable, empty or not finite.
    """
    try:
        wav, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        reason = "no such file" if not Path(path).exists() else error.error_string.strip().rstrip(".")
        raise UserError(f"{path}: cannot be read: {reason}") from None
    if not len(wav):
        raise UserError(f"{path}: holds no samples")
    if not np.isfinite(wav).all():
        raise UserError(f"{path}: holds samples that are not finite numbers")
    return resample(wav.mean(axis=1), rate, sample_rate)


def write_wav(path: Path | str, wav: np.ndarray, sample_rate: int, comment: str = "") -> None:
    """Write (samples,) as 16 bits, WAV or FLAC by the name's ending, beside and renamed.

    comment: kept in the file's header. Raises OSError naming the file where the disk is full,
    of which libsndfile says nothing.
    """
    path, encoded = Path(path), io.BytesIO()
    kind = path.suffix.lstrip(".").upper()
    with soundfile.SoundFile(encoded, "w", sample_rate, 1, "PCM_16", format=kind) as file:
        if comment:
            file.comment = comment
        file.write(wav)
    with beside(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def resample(wav: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """(samples,) float32 from `rate` to `sample_rate` Hz."""
    if rate == sample_rate:
        return np.ascontiguousarray(wav, dtype=np.float32)
    return soxr.resample(wav, rate, sample_rate).astype(np.float32)
