"""What to decode: a new text after a prompt (cross-sentence), or the rest of an utterance (continuation)."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from ellav.data.dataset import Tokens
from ellav.infer.asked import Request
from ellav.types import DecodingRequest, Utterance

NO_PAUSES = np.zeros(0, np.int64)

LONGEST = 3.0
"""A target may be so many times longer than its phones are on average, plus a second."""


def cross_sentence(
    name: str, prompt: Utterance, phones: np.ndarray, word_of_phone: np.ndarray, tokens: Tokens
) -> DecodingRequest:
    """Speak `phones` (N,) in the voice of a whole utterance (VALL-E, section 5.3)."""
    words = int(prompt.word_of_phone.max(initial=-1)) + 1
    return _request(
        name,
        np.concatenate([prompt.phones, phones]),
        np.concatenate([prompt.word_of_phone, np.where(word_of_phone >= 0, word_of_phone + words, word_of_phone)]),
        prompt.codes,
        prompt.durations,
        False,
        tokens,
    )


def asked_of(
    number: int, asked: Request, prompt: Utterance, tokens: Tokens, by_first_word: bool = False
) -> DecodingRequest:
    """How a part is decoded where nobody says how long its phones last.

    Random numbers depend on its name: number, which tells equal parts apart, so that a sentence said twice is not said
    alike, and text; by_first_word: the first word alone, where text is spoken while it grows. Raises UserError for a
    phone that the model does not know.
    """
    said = asked.said
    phones, words = tokens.encode(said.phones, f"text {asked.text!r}"), np.array(said.word_of_phone, np.int32)
    name = f"{number} {said.words[0] if by_first_word else asked.text}"
    return replace(cross_sentence(name, prompt, phones, words, tokens), language=asked.language)


def continuation(
    utterance: Utterance, prompt_frames: int, tokens: Tokens, pauses: np.ndarray = NO_PAUSES
) -> DecodingRequest | None:
    """Go on after the first frames of an utterance, whose whole text is known.

    A phone cut by the prompt's end stays open; boundaries after it are not read, nor are the
    recording's own pauses there: pauses holds their indices. None where nothing is left to say
    after the prompt.
    """
    ends = np.cumsum(utterance.durations)
    begun = int(np.searchsorted(ends, prompt_frames, side="left")) + 1
    later = pauses[pauses >= begun]
    if begun >= len(ends) - len(later):
        return None
    opened = bool(ends[begun - 1] != prompt_frames)
    durations = utterance.durations[:begun].copy()
    durations[-1] -= max(0, ends[begun - 1] - prompt_frames)
    codes = utterance.codes[:prompt_frames]
    phones, words = (np.delete(of_phone, later) for of_phone in (utterance.phones, utterance.word_of_phone))
    return _request(utterance.id, phones, words, codes, durations, opened, tokens)


def _request(name, phones, word_of_phone, codes, durations, opened, tokens: Tokens) -> DecodingRequest:
    least, most = tokens.bounds(phones)
    stats = tokens.stats
    longest = LONGEST * stats["frames_per_phone"] * (len(phones) - len(durations)) + stats["frame_rate"]
    return DecodingRequest(
        id=name,
        phones=phones.astype(np.int32),
        word_of_phone=word_of_phone.astype(np.int32),
        codes=codes,
        durations=durations.astype(np.int32),
        open=opened,
        least=least,
        most=most,
        max_frames=math.ceil(longest),
    )
