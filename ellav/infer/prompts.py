"""Prompts: a recording and its transcript, checked, aligned, and cut to what a model has seen."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from ellav.data.audio import resample
from ellav.data.dataset import Tokens
from ellav.data.durations import to_frames
from ellav.data.joins import part
from ellav.data.silence import with_pauses
from ellav.errors import UserError, one_line
from ellav.infer.known_phones import with_known_phones
from ellav.infer.languages import Languages
from ellav.infer.recordings import Given, Sound, read_given, speech_mask, trimmed
from ellav.plugins.aligners import Aligner, AlignmentError
from ellav.plugins.codecs import Codec
from ellav.plugins.transcribers import Transcriber
from ellav.types import Utterance

QUIETEST = -60.0
"""dB below full scale under which a recording's loudest sample counts as silence."""

ALMOST = 0.9
"""Share of the most speech that a prompt can have with which an earlier part of a long recording is preferred."""


class PromptWarning(UserWarning):
    """Speech is still made, but perhaps not what was wanted. The message says why, in one line."""


class Heard(NamedTuple):
    """A prompt, ready to be spoken after. name: of a built-in one, or None. remarks: what a person may want to know,
    which words were recognised in it for example."""

    prompt: Utterance
    name: str | None
    remarks: list[str]


class PromptReader:
    """Makes prompts of recordings, for one model's languages, aligner, codec and token list.

    shortest: seconds that a prompt must have. longest: frames of a prompt at most; of a longer one the words that
    have most speech are kept.
    """

    def __init__(
        self, languages: Languages, aligner: Aligner, codec: Codec, tokens: Tokens, shortest: float, longest: int
    ):
        self.languages, self.aligner, self.codec, self.tokens = languages, aligner, codec, tokens
        self.shortest, self.longest = shortest, longest

    def __call__(self, prompt: Sound, text: str, rate: int | None = None, language: str = "") -> Utterance:
        """The prompt as codes, phones and durations.

        prompt: what `read_given` takes; rate: Hz of samples. language: of what is said. Silence around it and the
        middle of long pauses are cut out first. Raises UserError where it is
        unreadable, too short, silent, or does not fit `text`; warns (PromptWarning) where it
        fits badly, is longer than the model has seen, or has a low sample rate.
        """
        language = self.languages.named(language)
        given = read_given(prompt, rate)
        where = given.name
        _check_level(given)
        heard = trimmed(given.wav, given.rate)
        _check_length(heard, given, self.shortest)
        if given.rate < self.codec.sample_rate:
            _warn(
                f"{where}: {given.rate} Hz, the model works at {self.codec.sample_rate}; the voice will sound as dull"
            )
        said = with_known_phones(
            self.languages.read(text, language), self.languages.text, self.tokens, f"transcript {text!r}"
        )
        try:
            alignment = self.aligner.align(resample(heard, given.rate, self.aligner.sample_rate), said)
            said, ends, _ = with_pauses(said, alignment, self.tokens.stats.get("least_pause", np.inf))
            phones = self.tokens.encode(said.phones, f"transcript {text!r}")
            words = np.array(said.word_of_phone, np.int32)
            codes = self.codec.encode([resample(heard, given.rate, self.codec.sample_rate)])[0]
            durations = to_frames(ends, self.codec.frame_rate, len(codes), words < 0)
        except (AlignmentError, ValueError) as error:
            raise UserError(f"{where}: does not fit its transcript {text!r}: {one_line(error)}") from None
        least = getattr(self.aligner, "least_score", None)
        if least is not None and alignment.score < least:
            _warn(
                f"{where}: fits its transcript {text!r} badly (score {alignment.score:.2f}, usually above {least:.2f});"
                " check that these are the words that are said, all of them and no others"
            )
        if len(codes) <= self.longest:
            return Utterance("prompt", "prompt", language or "und", phones, words, durations, codes)
        speech = speech_mask(heard, given.rate)
        at = (np.arange(len(codes)) * len(speech) / len(codes)).astype(int)
        first, last = most_speech(words, durations, speech[at], self.longest)
        if first == last:
            raise UserError(f"{where}: no word of it is short enough for this model; give a shorter recording")
        begin, end = durations[:first].sum(), durations[:last].sum()
        spoken = [said.words[word] for word in dict.fromkeys(words[first:last][words[first:last] >= 0])]
        _warn(
            f"{where}: {len(heard) / given.rate:.1f} s are more than this model bears"
            f" ({self.longest / self.codec.frame_rate:.1f} s); only {(end - begin) / self.codec.frame_rate:.1f} s are"
            f" used, from {spoken[0]!r} to {spoken[-1]!r}"
        )
        owners = words[first:last]
        owners = np.where(owners >= 0, owners - owners[owners >= 0].min(), owners)
        return Utterance(
            "prompt", "prompt", language or "und", phones[first:last], owners, durations[first:last], codes[begin:end]
        )


def spanned(prompt: Utterance, span: tuple[float, float] | None, frame_rate: float, shortest: float) -> Utterance:
    """A prompt from one second of it to another, None for all of it: the phones whose middle lies between them.

    span: as a Request has it, two times in order. Raises UserError where the prompt ends before, or what lies between
    them is shorter than `shortest` seconds.
    """
    if span is None:
        return prompt
    length = prompt.frames / frame_rate
    try:
        start, end = span
        if end > length + 0.05:
            raise ValueError("no such times")
        inside, _ = part(prompt, round(start * frame_rate), round(end * frame_rate))
        if inside.frames < shortest * frame_rate:
            raise ValueError(f"{inside.frames / frame_rate:.2f} s are too short, at least {shortest:g} are needed")
    except ValueError as error:
        raise UserError(f"prompt_span={span!r} of a prompt of {length:.2f} s: {error}") from None
    return inside


def recognised(transcriber: Transcriber, prompt: Sound, rate: int | None) -> str:
    """The words that are heard in a recording, see `read_given`. Raises UserError where there are none."""
    given = read_given(prompt, rate)
    heard = trimmed(given.wav, given.rate)
    words = transcriber.transcribe(resample(heard, given.rate, transcriber.sample_rate))
    if not words:
        raise UserError(f"{given.name}: no words are recognised in it; say what it says (prompt_text)")
    return words


def most_speech(words: np.ndarray, durations: np.ndarray, speech: np.ndarray, longest: int) -> tuple[int, int]:
    """Which phones to keep, from the first up to the last one: whole words of at most `longest` frames.

    words: (N,) the word of each phone, -1 for silence. durations: (N,) frames. speech: (T,) boolean,
    the frames that sound. It is the earliest stretch with at least nine tenths of the speech
    that the best one has. (0, 0) where no word fits.
    """
    starts = np.concatenate([[0], np.cumsum(durations)])
    sounding = np.concatenate([[0], np.cumsum(speech & np.repeat(words >= 0, durations))])
    borders = [0, *(np.flatnonzero(np.diff(words)) + 1), len(words)]
    stretches = []
    for first in borders[:-1]:
        last = max(border for border in borders if starts[border] - starts[first] <= longest)
        stretches.append((sounding[starts[last]] - sounding[starts[first]], first, last))
    most = max(stretches)[0]
    return next((first, last) for heard, first, last in stretches if heard >= ALMOST * most) if most else (0, 0)


def _check_level(given: Given) -> None:
    level = 20 * np.log10(max(float(np.abs(given.wav).max()), 1e-9))
    if level < QUIETEST:
        raise UserError(f"{given.name}: silent (its loudest sample is at {level:.0f} dB); record it louder")


def _check_length(heard: np.ndarray, given: Given, least: float) -> None:
    seconds, all_of_it = len(heard) / given.rate, len(given.wav) / given.rate
    if seconds < least:
        of = "" if seconds == all_of_it else f" of speech in {all_of_it:.2f} s"
        raise UserError(
            f"{given.name}: {seconds:.2f} s{of} are too short for a prompt; record about {max(3, least):g} s, at least"
            f" {least:g} s"
        )


def _warn(message: str) -> None:
    warnings.warn(message, PromptWarning, stacklevel=4)
