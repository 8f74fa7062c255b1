"""Parts of a long text that follow one another: each is spoken after the end of the part before it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np

from ellav.errors import UserError
from ellav.infer.asked import Request
from ellav.infer.pipeline import Speech
from ellav.plugins.orderings import Ordering
from ellav.types import DecodingRequest, Utterance

LEAST = 0.5
"""Seconds of the part before that are asked for at least."""


def check_follow(follow: float | None, most: float, ordering: Ordering) -> None:
    """Raises UserError where it is no number of seconds up to `most`, or the ordering keeps no times of words."""
    if follow is None:
        return
    if isinstance(follow, bool) or not isinstance(follow, (int, float)) or not LEAST <= follow <= most:
        raise UserError(f"follow={follow!r} is no number of seconds from {LEAST:g} to {most:g}, what this model can do")
    if not ordering.needs_durations:
        raise UserError(f"follow: the ordering {ordering.name} of this model keeps no times of phones; leave it out")


def check_follows(asked: Sequence[Request]) -> None:
    """Raises UserError where a part has a prompt of its own, or is kept but for some phones."""
    if any(one.prompt_span is not None or one.edit is not None for one in asked):
        raise UserError("follow: parts with a prompt_span or an edit stand behind no other; leave it out")


def speak_following(
    prompt: Utterance,
    requests: Iterable[Callable[[Utterance], DecodingRequest]],
    speak: Callable[[DecodingRequest], tuple[Speech, int]],
    most: int,
) -> list[tuple[Speech, int]]:
    """What `speak` makes of one request after another, each after the part before it.

    requests: of each part, what makes its request of a prompt. most: frames of the part before, see `lengthened`.
    """
    made, before = [], prompt
    for request in requests:
        made.append(speak(replace(request(before), voice=prompt)))
        before = lengthened(prompt, made[-1][0], most)
    return made


def lengthened(prompt: Utterance, speech: Speech, most: int) -> Utterance:
    """The prompt and behind it the end of `speech`: its last words, `most` frames at most.

    So the voice stays that of the prompt, however many parts there are, while pace and pitch go on. The prompt alone
    where not even the last word is so short. Codes of the prompt are cut to as many codebooks as speech has.
    """
    words, ends = speech.word_of_phone, np.cumsum(speech.durations)
    begins = np.flatnonzero((words >= 0) & (words != np.concatenate([[-1], words[:-1]])))
    starts = ends[begins] - speech.durations[begins]
    fitting = begins[len(speech.codes) - starts <= most]
    if not len(fitting):
        return prompt
    first = int(fitting[0])
    frame = int(ends[first] - speech.durations[first])
    known = int(prompt.word_of_phone.max(initial=-1)) + 1
    later = np.where(words[first:] >= 0, words[first:] - words[first] + known, words[first:])
    return Utterance(
        prompt.id,
        prompt.speaker,
        prompt.language,
        np.concatenate([prompt.phones, speech.phones[first:]]).astype(np.int32),
        np.concatenate([prompt.word_of_phone, later]).astype(np.int32),
        np.concatenate([prompt.durations, speech.durations[first:]]).astype(np.int32),
        np.concatenate([prompt.codes[:, : speech.codes.shape[1]], speech.codes[frame:]]),
    )
