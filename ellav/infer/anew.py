"""Which word of a speech is made anew, and what is asked for instead of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ellav.errors import UserError
from ellav.infer.asked import Edit, Kept, Request, check_rate, check_readings
from ellav.infer.pacing import scaled
from ellav.infer.pipeline import Speech
from ellav.plugins.text import Phones
from ellav.types import NONE

READINGS = 8
"""How many readings of what is new are made to choose from. `docs/synthesis.md` has what they are good for."""


def check_edit(
    words: Sequence[str], word: int, text: str | None, rate: float | None, again: bool, readings: int
) -> None:
    """Raises UserError where nothing is to be changed, or what is given is none of it. words: of the speech."""
    if isinstance(word, bool) or not isinstance(word, int) or not 0 <= word < len(words):
        raise UserError(f"edit: word={word!r} is no number of a word, from 0 ({words[0]!r}) to {len(words) - 1}"
                        f" ({words[-1]!r})")  # fmt: skip
    if again == (text is not None or rate is not None):
        raise UserError("edit: say what is to be changed: text=, rate=, or again=True alone")
    if text is not None and not isinstance(text, str):
        raise UserError(f"edit: text={text!r} should be a string")
    if rate is not None:
        check_rate(rate)
    check_readings(readings, "edit: readings")


def part_of(sizes: Sequence[int], word: int) -> tuple[int, int]:
    """In which part a word is, and its number there. sizes: words of each part."""
    ends = np.cumsum(sizes)
    number = int(np.searchsorted(ends, word, side="right"))
    return number, word - int(ends[number] - sizes[number])


def without_silence(said: Phones) -> Phones:
    """Phones without the silence at both ends."""
    spoken = [i for i, owner in enumerate(said.word_of_phone) if owner >= 0]
    inside = slice(spoken[0], spoken[-1] + 1)
    return Phones(said.phones[inside], said.word_of_phone[inside], said.words)


def word_anew(
    request: Request, speech: Speech, word: int, new: Phones | None = None, rate: float | None = None
) -> Request:
    """What is asked for to make word `word` of a part anew.

    new: what is said instead, without silence around it; None: the same. rate: of it, None for that of the whole part.
    The same word at another rate lasts as long as it did, divided by that.
    """
    said, owners = request.said, np.array(request.said.word_of_phone)
    inside = np.flatnonzero(owners == word)
    first, last = int(inside[0]), int(inside[-1]) + 1
    durations = speech.durations
    rows = {"rate": request.rate, "least": request.least, "most": request.most}
    own = {name: row[first:last] for name, row in rows.items()}
    if new is not None:
        count = len(new.phones)
        own = {"rate": np.full(count, rate or request.rate[first]), "least": np.full(count, NONE)}
        own["most"] = own["least"]
    elif rate is not None:
        frames = scaled(durations[first:last], np.full(last - first, rate), owners[first:last] < 0)
        own = {"rate": np.ones(last - first), "least": frames, "most": frames}
    text = request.text if new is None else " ".join([*said.words[:word], *new.words, *said.words[word + 1 :]])
    new = new or Phones(said.phones[first:last], [0 if owner == word else NONE for owner in owners[first:last]],
                        [said.words[word]])  # fmt: skip
    more = len(new.words) - 1
    later = [owner + more if owner >= 0 else owner for owner in said.word_of_phone[last:]]
    among = [owner + word if owner >= 0 else owner for owner in new.word_of_phone]
    start, end = int(durations[:first].sum()), int(durations[:last].sum())
    return replace(
        request,
        text=text,
        said=Phones(
            [*said.phones[:first], *new.phones, *said.phones[last:]],
            [*said.word_of_phone[:first], *among, *later],
            [*said.words[:word], *new.words, *said.words[word + 1 :]],
        ),
        edit=Edit(
            first,
            first + len(new.phones),
            kept(speech, slice(0, start), slice(0, first)),
            kept(speech, slice(end, None), slice(last, None)),
        ),
        **{name: np.concatenate([row[:first], own[name], row[last:]]) for name, row in rows.items()},
    )


def kept(speech: Speech, frames: slice, phones: slice) -> Kept:
    """What stays of a speech."""
    of_frames = (None if row is None else row[frames] for row in (speech.codes, speech.vectors, speech.sure))
    return Kept(*of_frames, speech.durations[phones])
