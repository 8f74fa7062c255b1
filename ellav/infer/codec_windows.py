"""Codes to samples window by window, while more codes are still to come."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from ellav.plugins.codecs import Codec

BEFORE, AFTER, FADE = 0.3, 0.06, 0.02
"""Seconds, for codecs that do not say what a frame's samples depend on: of codes that are decoded again in front of a
window and of those at its end that wait for the next one, and of the fade from one window into the next."""


class CodecWindows:
    """Decodes the codes of one utterance as they come. decode: makes the samples, as `codec.decode` does, if another
    function is to: from what lies between codes, for example.

    With a codec that has `stream_context` the samples are those of all codes decoded at once. Those of any other depend
    on the whole, so neighbouring windows differ where they meet, and fade linearly into one another.
    """

    def __init__(self, codec: Codec, decode: Callable | None = None):
        self.codec, self._decode = codec, decode or codec.decode
        context = getattr(codec, "stream_context", None)
        if context is not None:
            (self.before, self.after), self.fade = context, 0
        else:
            self.fade = max(1, round(FADE * codec.frame_rate))
            self.before = math.ceil(BEFORE * codec.frame_rate)
            self.after = max(self.fade + 1, math.ceil(AFTER * codec.frame_rate))  # the very end is spoken badly
        self._codes: np.ndarray | None = None  # (T, Q), of the frames from `_first` on
        self._first = self._spoken = 0  # frames; samples up to the second one are given out
        self._tail = np.zeros(0, np.float32)  # what the last window made of the frames that come next

    def push(self, codes: np.ndarray, last: bool) -> np.ndarray:
        """(samples,) that can be given out now. codes: (n, Q) of the next frames, n may be 0. last: no more come.

        All in all they are as many as the frames last, rounded to a sample.
        """
        self._codes = codes if self._codes is None else np.concatenate([self._codes, codes])
        total = self._first + len(self._codes)
        end = total if last else total - self.after
        if end <= self._spoken or (not last and end - self._spoken < self.fade):
            return np.zeros(0, np.float32)
        begin = max(0, self._spoken - self.before)
        wav = self._decode([self._codes[begin - self._first :]])[0]
        made = self._between(wav, begin, self._spoken, end)
        shared = min(len(self._tail), len(made))
        rise = np.arange(1, shared + 1, dtype=np.float32) / np.float32(shared + 1)
        made[:shared] = self._tail[:shared] * (1 - rise) + made[:shared] * rise
        self._tail = self._between(wav, begin, end, total if last else end + self.fade)
        self._spoken = end
        keep = max(0, end - self.before)
        self._codes, self._first = self._codes[keep - self._first :], keep
        return made

    def _between(self, wav: np.ndarray, begin: int, start: int, end: int) -> np.ndarray:
        """Samples of the frames from `start` up to `end`, of what was decoded from frame `begin` on.

        Where a frame is no whole number of samples, a window may have one less than is due: the last stands for it.
        """
        at = [self.samples(frame) - self.samples(begin) for frame in (start, end)]
        made = wav[at[0] : at[1]]
        return np.pad(made, (0, at[1] - at[0] - len(made)), "edge") if len(made) < at[1] - at[0] else made.copy()

    def samples(self, frames: int) -> int:
        """How many samples so many frames last."""
        return round(frames * self.codec.sample_rate / self.codec.frame_rate)
