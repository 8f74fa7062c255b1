"""A speech as the page shows it: a player, and under it words, waveform, spectrogram and phones along one time."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np

from ellav.data.audio import encoded_wav
from ellav.infer.synthesis import Synthesis
from ellav.infer.times import Interval, phone_times, word_times
from ellav.score.page.pictures import (
    GUTTER,
    LETTER,
    LINE,
    PICTURE_HEIGHT,
    PIXELS_PER_SECOND,
    columns,
    data_url,
    hertz,
    place_labels,
    spectrogram,
    ticks,
    x_of,
)

MOST_SECONDS = 60
"""What is drawn of a speech at most; a picture cannot be of any width."""

WAVE = 56
"""Height of the waveform in pixels."""

WORD_LETTER, WORD_LINE = 10, 17
"""Width and height of a letter of a word."""


def player(speech: Synthesis, name: str) -> str:
    """An HTML player with the whole speech in it, lossless, its header saying what it is. name: of the model."""
    content = encoded_wav(speech.wav, speech.sample_rate, "FLAC", about=speech.about)
    label = escape(f"Speech of {name}", quote=True)
    return f'<audio controls preload="metadata" aria-label="{label}" src="{data_url("audio/flac", content)}"></audio>'


def picture(speech: Synthesis, name: str) -> str:
    """An HTML group that scrolls sideways. Words carry their number as data-word, where the ordering keeps times."""
    rate = speech.sample_rate
    wav = speech.wav[: MOST_SECONDS * rate]
    seconds, width = len(wav) / rate, columns(len(wav), rate)
    phones, words = times_of(speech, seconds)
    spelled = [one._replace(label=speech.words[int(one.label)]) for one in words]
    word_rows = _rows(spelled, WORD_LETTER, 2)
    top = WORD_LINE * (max(word_rows, default=-1) + 1) + (4 if words else 0)
    middle, bottom = top + WAVE, top + WAVE + PICTURE_HEIGHT
    phone_rows = _rows(phones, LETTER, 3)
    below = bottom + LINE * (max(phone_rows, default=-1) + 1) + (6 if phones else 0)
    marks = [
        f'<path class="wave" d="{_outline(wav, width, top, WAVE)}"/>',
        _lines("word-edge", words, 0, middle),
        _lines("edge", phones, top, bottom + 3),
        *(
            f'<text x="{x_of((word.start + word.end) / 2)}" y="{12 + row * WORD_LINE}" class="word"'
            f' data-word="{number.label}">{escape(word.label)}</text>'
            for word, number, row in zip(spelled, words, word_rows, strict=True)
        ),
        *(
            f'<text x="{x_of((phone.start + phone.end) / 2)}" y="{bottom + 11 + row * LINE}" class="phone">'
            f"{escape(phone.label)}</text>"
            for phone, row in zip(phones, phone_rows, strict=True)
        ),
        *hertz(rate, bottom),
        *ticks(seconds, below),
    ]
    said = f"Waveform and spectrogram of {name}, {seconds:.1f} seconds: {' '.join(speech.words)}"
    size = f"width:{GUTTER + width + 4}px;height:{below + 18}px"
    more = len(speech.wav) > len(wav)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(name, quote=True)}: waveform, spectrogram">'
        f'<div class="plot" data-pixels-per-second="{PIXELS_PER_SECOND}" style="{size}">'
        f'<img src="{data_url("image/webp", spectrogram(wav, rate))}" width="{width}" height="{PICTURE_HEIGHT}"'
        f' style="left:{GUTTER}px;top:{middle}px" alt="{escape(said, quote=True)}">'
        f'<svg width="{GUTTER + width + 4}" height="{below + 18}" aria-hidden="true">{"".join(marks)}</svg>'
        f'<span class="head" style="left:{GUTTER}px;top:{top}px;height:{bottom - top}px"></span></div></div>'
        + (f'<p class="quiet">The first {MOST_SECONDS} s are drawn.</p>' if more else "")
    )


def times_of(speech: Synthesis, seconds: float) -> tuple[list[Interval], list[Interval]]:
    """The phones, and the words labelled by their numbers, that begin within so many seconds; none where the ordering
    keeps no times."""
    if speech.durations is None:
        return [], []
    phones = phone_times(speech.symbols, speech.durations, speech.frame_rate)
    numbers = [str(number) for number in range(len(speech.words))]
    words = word_times(speech.symbols, speech.word_of_phone, speech.durations, speech.frame_rate, numbers)
    return tuple(
        [Interval(one.start, min(one.end, seconds), one.label) for one in times if one.start < seconds]
        for times in (phones, words)
    )


def _rows(times: Sequence[Interval], letter: float, most: int) -> list[int]:
    """In which row each label stands."""
    middles = [(one.start + one.end) / 2 * PIXELS_PER_SECOND for one in times]
    halves = [len(one.label) * letter / 2 + 1.5 for one in times]
    return place_labels([(m - half, m + half) for m, half in zip(middles, halves, strict=True)], most)


def _lines(kind: str, times: Sequence[Interval], top: float, bottom: float) -> str:
    """The borders of intervals, each once."""
    edges = dict.fromkeys(x_of(second) for one in times for second in (one.start, one.end))
    return f'<path class="{kind}" d="{"".join(f"M{x} {top}V{bottom}" for x in edges)}"/>'


def _outline(wav: np.ndarray, width: int, top: float, height: float) -> str:
    """A path around the samples of each column of pixels, the loudest of them as high as there is room."""
    pieces = np.array_split(wav, width)
    highest, lowest = (np.array([pick(piece) if len(piece) else 0.0 for piece in pieces]) for pick in (np.max, np.min))
    scale = (height / 2 - 1) / max(1e-3, float(np.abs(wav).max(initial=0.0)))
    zero = top + height / 2
    there = [f"{GUTTER + x} {zero - value * scale:.1f}" for x, value in enumerate(highest)]
    back = [f"{GUTTER + x} {zero - value * scale + 0.5:.1f}" for x, value in enumerate(lowest)]
    return f"M{'L'.join([*there, *reversed(back)])}Z"
