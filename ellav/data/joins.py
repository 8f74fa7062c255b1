"""Utterances of one speaker joined into longer ones, and cut again.

Decoding puts a prompt in front of the target, so the models must be trained on sequences
as long as both. Joins are made first and arranged afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ellav.types import Utterance


@dataclass(frozen=True)
class Join:
    """Utterances to join, by index, and the frames after which the join is cut."""

    members: tuple[int, ...]
    limit: int


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


def plan_joins(lengths: np.ndarray, speakers: Sequence[str], max_frames: int, rng: np.random.Generator) -> list[Join]:
    """All utterances once, in random joins of one speaker each, in random order.

    lengths: (U,) frames. The length of a join is drawn uniformly between its first
    utterance's and `max_frames`. Half of the joins are cut at that length and lose the rest
    of their last utterance; half end with the last utterance that fits, so that the models
    also learn how speech ends.
    """
    by_speaker: dict[str, list[int]] = {}
    for index, speaker in enumerate(speakers):
        by_speaker.setdefault(speaker, []).append(index)
    joins = []
    for speaker in sorted(by_speaker):
        order = rng.permutation(by_speaker[speaker]).tolist()
        at = 0
        while at < len(order):
            total = int(lengths[order[at]])
            wanted = int(rng.integers(total, max_frames + 1)) if total < max_frames else max_frames
            members = [order[at]]
            at += 1
            while at < len(order) and total + lengths[order[at]] <= wanted:
                members.append(order[at])
                total += int(lengths[order[at]])
                at += 1
            if total < wanted and at < len(order) and rng.random() < 0.5:
                members.append(order[at])
                at += 1
            joins.append(Join(tuple(members), wanted))
    return [joins[i] for i in rng.permutation(len(joins))]
