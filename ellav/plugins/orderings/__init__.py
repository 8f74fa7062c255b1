"""Orderings: in which order phones and codes are written for the AR model.

An ordering is a pure data layout: it builds, reverts and validates token rows, and
scripts decoding. It knows no model and no device. `ellav.testing.check_ordering` holds
its laws.
"""

from __future__ import annotations

from typing import Literal, Protocol

import numpy as np

from ellav.plugins.registry import Registry
from ellav.types import (
    DecodingRequest,
    DecodingScript,
    Restored,
    State,
    TokenSequence,
    Utterance,
    Vocabulary,
)


class Ordering(Protocol):
    """A layout of S streams over one vocabulary.

    Built with its own options only; `bind` gives it the sizes of a corpus, and everything
    else is defined after that.
    """

    name: str
    streams: int
    """S: ids per row."""
    codebooks: int
    """How many codebooks the rows carry, from the first; the NAR model does the rest."""
    combine: Literal["sum", "concat"]
    """How a row's S embeddings become one: added, or concatenated and projected."""
    positions: Literal["token", "frame"]
    """Whether every row advances the position by one, or only rows that hold a frame.
    Positions start at 0 in the prefix and start again at 0 after it."""
    needs_durations: bool
    """Whether `arrange` reads `Utterance.durations`."""
    lookahead: int
    """How many frames ahead of its own boundary a phone's end may stand in the rows: rows
    before frame t tell nothing of boundaries after frame t + lookahead."""
    vocabulary: Vocabulary
    states: tuple[State, ...]

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Set vocabulary and states for this token list and size of codebook."""

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance (or of several joined into one)."""

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones, codes and durations back from complete rows (L, S)."""

    def script(self, request: DecodingRequest) -> DecodingScript:
        """How to decode what `request` asks for."""


class DeepOrdering(Ordering, Protocol):
    """An ordering whose rows hold several codes may have this too."""

    depth: bool
    """Whether the ids of a row are drawn one after the other, each knowing those before it in the row; without it,
    each for itself."""


class ReadableOrdering(Ordering, Protocol):
    """An ordering whose rows can be read while they are still being decoded has this method too, and is then spoken
    while it is decoded (`ellav.infer.stream`); any other is spoken part by part of the text."""

    def restore_begun(self, ids: np.ndarray) -> Restored:
        """What the first rows of a sequence (L, S), prefix included, tell for good: the first T frames' codes, and to
        which phone each belongs. phones, durations: (M,) of those that have begun, durations summing to T; None where
        `restore` gives None. T may be less than the rows hold."""


class GrowingOrdering(ReadableOrdering, Protocol):
    """An ordering whose rows tell a phone no sooner than it is spoken may have this too: text is then spoken while it
    is still being written (`ellav.infer.growing`); for any other, sentence by sentence."""

    grows: bool
    """Whether `script` takes requests whose text goes on (`DecodingRequest.more`). It leaves out the segments that
    depend on phones to come and closes nothing: the scripts of a growing text each begin the next one's
    (`DecodingScript.departs`), whatever follows. Bounds are counted by phone, `max_frames` is not read."""


CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

orderings = Registry(
    "orderings",
    {
        "interleaved": "ellav.plugins.orderings.interleaved",
        "concat": "ellav.plugins.orderings.concat",
        "grouped": "ellav.plugins.orderings.grouped",
        "word_block": "ellav.plugins.orderings.word_block",
    },
    CONTRACT,
)
