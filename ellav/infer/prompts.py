"""Prompts: a recording and its transcript, checked, aligned, and cut to what a model has seen."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import soundfile

from ellav.data.audio import read_wav, resample
from ellav.data.dataset import Tokens
from ellav.data.durations import to_frames
from ellav.data.silence import with_pauses
from ellav.errors import UserError
from ellav.plugins.aligners import Aligner, AlignmentError
from ellav.plugins.codecs import Codec
from ellav.plugins.text import TextFrontEnd
from ellav.types import Utterance

SHORTEST = 1.0
"""Seconds that a prompt must have: the shortest that the NAR model is trained with by default."""

QUIETEST = -60.0
"""dB below full scale under which a recording's loudest sample counts as silence."""


class PromptWarning(UserWarning):
    """Speech is still made, but perhaps not what was wanted. The message says why, in one line."""


class PromptReader:
    """Makes prompts of recordings, for one model's text front end, aligner, codec and token list.

    longest: frames of a prompt at most; a longer one is cut where a word ends.
    """

    def __init__(self, text: TextFrontEnd, aligner: Aligner, codec: Codec, tokens: Tokens, longest: int):
        self.text, self.aligner, self.codec, self.tokens, self.longest = text, aligner, codec, tokens, longest

    def __call__(self, prompt: Path | str | np.ndarray, text: str, rate: int | None = None) -> Utterance:
        """The prompt as codes, phones and durations.

        prompt: an audio file, or (samples,) float32 at `rate` Hz. Raises UserError where it is
        unreadable, too short, silent, or does not fit `text`; warns (PromptWarning) where it
        fits badly, is longer than the model has seen, or has a low sample rate.
        """
        where = "prompt" if isinstance(prompt, np.ndarray) else str(prompt)
        wavs, rate = self._read(prompt, rate, where)
        wav, for_aligner = wavs
        self._check(wav, where)
        if rate < self.codec.sample_rate:
            _warn(f"{where}: {rate} Hz, the model works at {self.codec.sample_rate}; the voice will sound as dull")
        said = self.text(text)
        try:
            alignment = self.aligner.align(for_aligner, said)
            said, ends, _ = with_pauses(said, alignment, self.tokens.stats.get("least_pause", np.inf))
            phones = self.tokens.encode(said.phones, f"transcript {text!r}")
            words = np.array(said.word_of_phone, np.int32)
            codes = self.codec.encode([wav])[0]
            durations = to_frames(ends, self.codec.frame_rate, len(codes), words < 0)
        except (AlignmentError, ValueError) as error:
            raise UserError(f"{where}: does not fit its transcript {text!r}: {error}") from None
        least = getattr(self.aligner, "least_score", None)
        if least is not None and alignment.score < least:
            _warn(
                f"{where}: fits its transcript {text!r} badly (score {alignment.score:.2f}, usually above {least:.2f});"
                " check that these are the words that are said, all of them and no others"
            )
        kept = self._kept(words, np.cumsum(durations))
        if kept < len(phones):
            seconds = durations[:kept].sum() / self.codec.frame_rate
            most = self.longest / self.codec.frame_rate
            _warn(
                f"{where}: {len(wav) / self.codec.sample_rate:.1f} s are more than this model bears ({most:.1f} s);"
                f" only the first {seconds:.1f} s are used"
            )
        frames = int(durations[:kept].sum())
        return Utterance("prompt", "prompt", "und", phones[:kept], words[:kept], durations[:kept], codes[:frames])

    def _read(self, prompt: Path | str | np.ndarray, rate: int | None, where: str) -> tuple[list[np.ndarray], int]:
        """The waveform at the codec's and at the aligner's rate, and the rate it came with."""
        rates = (self.codec.sample_rate, self.aligner.sample_rate)
        if not isinstance(prompt, np.ndarray):
            wavs = [read_wav(prompt, wanted) for wanted in rates]
            return wavs, soundfile.info(str(prompt)).samplerate
        if rate is None:
            raise ValueError("a prompt given as samples needs prompt_rate")
        if prompt.ndim != 1 or not np.isfinite(prompt).all():
            raise UserError(f"{where}: must be (samples,) finite numbers, not of shape {prompt.shape} or with NaN")
        return [resample(prompt, rate, wanted) for wanted in rates], rate

    def _check(self, wav: np.ndarray, where: str) -> None:
        seconds = len(wav) / self.codec.sample_rate
        if seconds < SHORTEST:
            raise UserError(
                f"{where}: {seconds:.2f} s are too short for a prompt; record about 3 s, at least {SHORTEST:g} s"
            )
        level = 20 * np.log10(max(float(np.abs(wav).max()), 1e-9))
        if level < QUIETEST:
            raise UserError(f"{where}: silent (its loudest sample is at {level:.0f} dB); record it louder")

    def _kept(self, words: np.ndarray, ends: np.ndarray) -> int:
        """How many phones stay: up to the last end of a word within `longest` frames, if need be of a phone."""
        if ends[-1] <= self.longest:
            return len(ends)
        fitting = np.flatnonzero(ends[:-1] <= self.longest) + 1
        at_words = [n for n in fitting if words[n] != words[n - 1] and n > 1]
        return int(at_words[-1] if at_words else fitting[-1] if len(fitting) else 1)


def _warn(message: str) -> None:
    warnings.warn(message, PromptWarning, stacklevel=4)
