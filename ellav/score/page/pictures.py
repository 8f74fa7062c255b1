"""Sound as a page shows it: spectrograms with phone boundaries, and compressed audio."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import NamedTuple

import numpy as np
import soundfile

from ellav.data.audio import resample

PIXELS_PER_SECOND = 200
PICTURE_HEIGHT = 120
GUTTER = 36
"""Left of the picture, for the frequencies."""
TOP_HERTZ = 8000
RANGE_DB = 55
"""Between white and black."""
WINDOW_SECONDS = 0.01
"""Short enough to show formants and the edges of phones rather than harmonics."""
STEPS = 4
"""Of the window in each column of pixels; a single one would beat with the voice's pitch."""
MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
LETTER, LINE = 6.6, 11
"""Width and height of a letter of a phone's name."""


class Phone(NamedTuple):
    """A phone's name and its times in seconds."""

    name: str
    start: float
    end: float


def mp3(wav: np.ndarray, rate: int) -> bytes:
    """(samples,) float32 at `rate` Hz as MP3, which every browser plays."""
    fits = next((r for r in MP3_RATES if r >= rate), MP3_RATES[-1])
    stream = io.BytesIO()
    sound = np.clip(resample(wav, rate, fits), -1, 1)
    soundfile.write(stream, sound, fits, format="MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    return stream.getvalue()


def spectrogram(wav: np.ndarray, rate: int) -> bytes:
    """A grey WebP, dark where the sound is loud: PIXELS_PER_SECOND wide, 0 Hz to TOP_HERTZ high."""
    from PIL import Image

    levels = _decibels(wav, rate)
    grey = np.clip((levels.max() - levels) / RANGE_DB, 0, 1) * 255
    stream = io.BytesIO()
    Image.fromarray(grey[::-1].astype(np.uint8)).save(stream, format="WEBP", quality=60, method=4)
    return stream.getvalue()


def data_url(kind: str, content: bytes) -> str:
    """The content inside the page itself. kind: its media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def plot(wav: np.ndarray, rate: int, phones: list[Phone] | None, what: str) -> str:
    """An HTML group that scrolls sideways: spectrogram, boundaries, phones' names, seconds."""
    width = columns(len(wav), rate)
    seconds = len(wav) / rate
    lines, rows = _phone_marks(phones or [], GUTTER)
    below = PICTURE_HEIGHT + rows * LINE + (6 if rows else 0)
    lines += [*ticks(seconds, below), *hertz(rate, PICTURE_HEIGHT)]
    names = " ".join(phone.name for phone in phones or [])
    said = f"Spectrogram of {what}, {seconds:.1f} seconds" + (f". Phones: {names}" if names else "")
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(f"{what}: spectrogram")}">'
        f'<div class="plot" data-pixels-per-second="{PIXELS_PER_SECOND}"'
        f' style="width:{GUTTER + width + 4}px;height:{below + 18}px">'
        f'<img src="{data_url("image/webp", spectrogram(wav, rate))}" width="{width}" height="{PICTURE_HEIGHT}"'
        f' style="left:{GUTTER}px" alt="{escape(said)}">'
        f'<svg width="{GUTTER + width + 4}" height="{below + 18}" aria-hidden="true">{"".join(lines)}</svg>'
        f'<span class="head" style="left:{GUTTER}px;height:{PICTURE_HEIGHT}px"></span></div></div>'
    )


def x_of(seconds: float) -> str:
    """Where a time stands."""
    return f"{GUTTER + seconds * PIXELS_PER_SECOND:.1f}"


def ticks(seconds: float, below: float) -> list[str]:
    """SVG of half seconds under all that ends at `below`."""
    marks = []
    for tick in np.arange(0, seconds, 0.5):
        marks.append(f'<path class="tick" d="M{x_of(tick)} {below + 1}v4"/>')
        marks.append(f'<text x="{x_of(tick)}" y="{below + 15}" class="time">{tick:g}{" s" if tick == 0 else ""}</text>')
    return marks


def hertz(rate: int, bottom: float) -> list[str]:
    """SVG of the frequencies left of a spectrogram of `rate` Hz whose lowest pixel stands at `bottom`."""
    top, marks = min(TOP_HERTZ, rate / 2), []
    for kilohertz in range(0, int(top / 1000) + 1, 4):
        y = bottom - PICTURE_HEIGHT * kilohertz * 1000 / top
        label = f"{kilohertz} kHz" if kilohertz == 8 else str(kilohertz)
        y = min(max(y + 4, bottom - PICTURE_HEIGHT + 9), bottom)
        marks.append(f'<text x="{GUTTER - 5}" y="{y:.0f}" class="hertz">{label}</text>')
    return marks


def columns(samples: int, rate: int) -> int:
    """How many pixels wide so much sound is."""
    return max(1, round(samples / rate * PIXELS_PER_SECOND))


def place_labels(spans: list[tuple[float, float]], most_rows: int = 3) -> list[int]:
    """The row of each label so that they do not touch, as far as `most_rows` rows allow.

    spans: left and right edge of each, by time.
    """
    ends = [-np.inf] * most_rows
    rows = []
    for left, right in spans:
        free = [row for row in range(most_rows) if ends[row] <= left]
        row = free[0] if free else int(np.argmin(ends))
        ends[row] = right
        rows.append(row)
    return rows


def _phone_marks(phones: list[Phone], left: float) -> tuple[list[str], int]:
    """SVG of boundaries and names, and how many rows the names take."""
    if not phones:
        return [], 0
    middles = [left + (phone.start + phone.end) / 2 * PIXELS_PER_SECOND for phone in phones]
    halves = [len(phone.name) * LETTER / 2 + 1.5 for phone in phones]
    rows = place_labels([(m - half, m + half) for m, half in zip(middles, halves, strict=True)])
    edges = dict.fromkeys(round(left + t * PIXELS_PER_SECOND, 1) for p in phones for t in (p.start, p.end))
    marks = [f'<path class="edge" d="{"".join(f"M{x} 0V{PICTURE_HEIGHT + 3}" for x in edges)}"/>']
    for phone, middle, row in zip(phones, middles, rows, strict=True):
        y = PICTURE_HEIGHT + 11 + row * LINE
        marks.append(f'<text x="{middle:.1f}" y="{y}" class="phone">{escape(phone.name)}</text>')
    return marks, max(rows) + 1


def _decibels(wav: np.ndarray, rate: int) -> np.ndarray:
    """(PICTURE_HEIGHT, columns) levels, the lowest frequencies first, raised by 6 dB an octave."""
    window = round(WINDOW_SECONDS * rate)
    size = 1 << (6 * window).bit_length()  # several bins to each row of pixels, so that none falls between
    width = columns(len(wav), rate)
    centres = ((np.arange(width * STEPS) + 0.5) / (PIXELS_PER_SECOND * STEPS) * rate).astype(int)
    padded = np.pad(np.diff(wav.astype(np.float32), prepend=np.float32(0)), window)
    frames = padded[centres[:, None] + window // 2 + np.arange(window)]
    power = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), size)) ** 2
    edges = np.linspace(0, min(TOP_HERTZ, rate / 2) / rate * size, PICTURE_HEIGHT + 1).astype(int)
    rows = np.add.reduceat(power[:, : edges[-1]], edges[:-1], axis=1) / np.diff(edges)
    levels = rows.reshape(width, STEPS, PICTURE_HEIGHT).mean(axis=1).T
    # The floor keeps silence from being stretched to full contrast.
    return 10 * np.log10(np.maximum(levels, 1e-7))
