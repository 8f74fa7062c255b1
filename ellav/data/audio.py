"""Reading, writing and resampling of waveforms."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import soundfile
import soxr

from ellav.data.outputs import beside
from ellav.errors import UserError


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


def write_wav(path: Path | str, wav: np.ndarray, sample_rate: int) -> None:
    """Write (samples,) as 16 bits, WAV or FLAC by the name's ending, beside and renamed.

    Raises OSError naming the file where the disk is full, of which libsndfile says nothing.
    """
    path, encoded = Path(path), io.BytesIO()
    soundfile.write(encoded, wav, sample_rate, subtype="PCM_16", format=path.suffix.lstrip(".").upper())
    with beside(path) as temporary:
        temporary.write_bytes(encoded.getbuffer())


def resample(wav: np.ndarray, rate: int, sample_rate: int) -> np.ndarray:
    """(samples,) float32 from `rate` to `sample_rate` Hz."""
    if rate == sample_rate:
        return np.ascontiguousarray(wav, dtype=np.float32)
    return soxr.resample(wav, rate, sample_rate).astype(np.float32)
