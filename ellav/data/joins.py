"""Utterances of one speaker joined into longer ones, and cut again.

Decoding puts a prompt in front of the target, so the models must be trained on sequences
as long as both. Joins are made first and arranged afterwards.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ellav.data.speakers import BySpeaker
from ellav.types import Utterance


@dataclass(frozen=True)
class Join:
    """Utterances to join, by index, and the frames after which the join is cut."""

    members: tuple[int, ...]
    limit: int


@dataclass(frozen=True)
class Joins:
    """The joins of an epoch as four arrays, so that those of a large corpus take little memory.

    order: (U,) all utterances, those of a join side by side. firsts, ends: (J,) where each
    join's stand in it. limits: (J,) frames after which it is cut. frames: (J,) what is left.
    """

    order: np.ndarray
    firsts: np.ndarray
    ends: np.ndarray
    limits: np.ndarray
    frames: np.ndarray

    def __len__(self) -> int:
        return len(self.firsts)

    def __getitem__(self, number: int) -> Join:
        members = self.order[self.firsts[number] : self.ends[number]]
        return Join(tuple(members.tolist()), int(self.limits[number]))


def join(utterances: Sequence[Utterance]) -> Utterance:
    """One utterance of all, in order: phones, durations and codes stand one after the other.

    Word indices go on counting. Durations are None if any utterance has none. Features are
    not kept. Raises ValueError for more than one speaker, since a join imitates one voice.
    """
    first = utterances[0]
    if len(utterances) == 1:
        return first
    if len({u.speaker for u in utterances}) > 1:
        raise ValueError(f"joining speakers {sorted({u.speaker for u in utterances})}")
    words, next_word = [], 0
    for utterance in utterances:
        word = utterance.word_of_phone
        words.append(np.where(word >= 0, word + next_word, word))
        next_word += int(word.max(initial=-1)) + 1
    known = all(u.durations is not None for u in utterances)
    return Utterance(
        id="+".join(u.id for u in utterances),
        speaker=first.speaker,
        language=first.language,
        phones=np.concatenate([u.phones for u in utterances]),
        word_of_phone=np.concatenate(words).astype(first.word_of_phone.dtype),
        durations=np.concatenate([u.durations for u in utterances]) if known else None,
        codes=np.concatenate([u.codes for u in utterances]),
    )


def cut(utterance: Utterance, max_frames: int) -> Utterance:
    """The phones that end within the first `max_frames`, but at least one, and their codes.

    Raises ValueError if it must cut and has no durations.
    """
    if utterance.frames <= max_frames:
        return utterance
    if utterance.durations is None:
        raise ValueError(f"{utterance.id}: {utterance.frames} frames cannot be cut to {max_frames} without durations")
    ends = np.cumsum(utterance.durations)
    kept = max(1, int(np.searchsorted(ends, max_frames, side="right")))
    return replace(
        utterance,
        phones=utterance.phones[:kept],
        word_of_phone=utterance.word_of_phone[:kept],
        durations=utterance.durations[:kept],
        codes=utterance.codes[: ends[kept - 1]],
    )


def part(utterance: Utterance, start: int, end: int) -> tuple[Utterance, int]:
    """The phones whose middle lies in the frames from `start` up to `end`, and the frame at which they begin.

    Words are counted from 0 again. Raises ValueError where no word is left.
    """
    ends = np.cumsum(utterance.durations)
    middles = ends - utterance.durations / 2
    inside = np.flatnonzero((middles >= start) & (middles < end))
    words = utterance.word_of_phone[inside]
    if not (words >= 0).any():
        raise ValueError(f"no phone of {utterance.id!r} lies in its frames {start} to {end}")
    first, last = inside[0], inside[-1] + 1
    begin = int(ends[first] - utterance.durations[first])
    kept = replace(
        utterance,
        phones=utterance.phones[first:last],
        word_of_phone=np.where(words >= 0, words - words[words >= 0].min(), words).astype(words.dtype),
        durations=utterance.durations[first:last],
        codes=utterance.codes[begin : ends[last - 1]],
    )
    return kept, begin


def plan_joins(lengths: np.ndarray, speakers: BySpeaker, max_frames: int, rng: np.random.Generator) -> Joins:
    """All utterances once, in random joins of one speaker each, in random order.

    lengths: (U,) frames. speakers: the utterances to join. The length of a join is drawn uniformly between its first
    utterance's and `max_frames`. Half of the joins are cut at that length and lose the rest
    of their last utterance; half end with the last utterance that fits, so that the models
    also learn how speech ends.
    """
    order, ends, limits, totals = [], array("q"), array("q"), array("q")
    begin = 0
    for own in np.split(speakers.order, speakers.ends[:-1]):
        own = rng.permutation(own)
        order.append(own)
        frames = lengths[own].tolist()
        at = 0
        while at < len(frames):
            total = frames[at]
            wanted = int(rng.integers(total, max_frames + 1)) if total < max_frames else max_frames
            at += 1
            while at < len(frames) and total + frames[at] <= wanted:
                total += frames[at]
                at += 1
            if total < wanted and at < len(frames) and rng.random() < 0.5:
                total += frames[at]
                at += 1
            ends.append(begin + at)
            limits.append(wanted)
            totals.append(min(total, wanted))
        begin += len(frames)
    return _shuffled(np.concatenate(order), np.array(ends), np.array(limits), np.array(totals), rng)


def plan_many_joins(lengths: np.ndarray, speakers: BySpeaker, max_frames: int, rng: np.random.Generator) -> Joins:
    """As `plan_joins`, by other draws and in a third of the time: what a join would be is found for every utterance
    that could begin it, at once."""
    count = len(speakers.order)
    sizes = np.diff(speakers.ends, prepend=0)
    keys = rng.random(count)
    keys += np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
    order = speakers.order[np.argsort(keys, kind="stable")]  # equal keys must not fall as the processor has it
    frames = lengths[order]
    ends = np.cumsum(frames, dtype=np.int64)
    begins = ends - frames
    limits = frames + (rng.random(count) * (np.maximum(max_frames - frames, 0) + 1)).astype(np.int32)
    np.minimum(limits, max_frames, out=limits)
    stop = np.repeat(speakers.ends, sizes)  # no join goes beyond its speaker
    end = np.maximum(np.searchsorted(ends, begins + limits, side="right"), np.arange(1, count + 1))
    np.minimum(end, stop, out=end)
    end += (ends[end - 1] - begins < limits) & (end < stop) & (rng.random(count) < 0.5)
    firsts, following, at = array("i"), memoryview(end), 0
    while at < count:
        firsts.append(at)
        at = following[at]
    first = np.array(firsts)
    end, limits = end[first], limits[first]
    return _shuffled(order, end, limits, np.minimum(ends[end - 1] - begins[first], limits), rng)


def _shuffled(
    order: np.ndarray, ends: np.ndarray, limits: np.ndarray, totals: np.ndarray, rng: np.random.Generator
) -> Joins:
    """The joins in random order."""
    shuffled = rng.permutation(len(ends))
    firsts = np.concatenate([[0], ends[:-1]])[shuffled].astype(np.int64)
    return Joins(order, firsts, ends[shuffled], limits[shuffled], totals[shuffled])
