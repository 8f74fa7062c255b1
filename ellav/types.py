"""The shared nouns: utterances, vocabularies, token rows and decoding scripts.

Everything here is plain data over numpy arrays. No model, no device, no files.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

NONE = -1
"""The id that stands for "no token here" in every integer array of the project."""

SILENCE = "sp"
"""The phone of silence: the one phone that may have a duration of 0 frames."""


@dataclass(frozen=True)
class Utterance:
    """One utterance as the models see it.

    phones: (N,) int32, indices into the token list. word_of_phone: (N,) int32, the index
    of the word each phone belongs to, -1 for silence. durations: (N,) int32 codec frames
    per phone, summing to T, or None where no alignment is known. codes: (T, Q) int16.
    """

    id: str
    speaker: str
    language: str
    phones: np.ndarray
    word_of_phone: np.ndarray
    durations: np.ndarray | None
    codes: np.ndarray
    features: dict = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """Number of codec frames T."""
        return len(self.codes)


class Vocabulary:
    """One flat id space cut into named ranges, in the order given.

    >>> v = Vocabulary({"bos": 1, "phones": 40, "codes": 1024})
    >>> v.size, v.start("codes"), v.id("bos")
    (1065, 41, 0)
    """

    def __init__(self, sizes: dict[str, int]):
        self.sizes = dict(sizes)
        self._start: dict[str, int] = {}
        end = 0
        for name, size in self.sizes.items():
            self._start[name] = end
            end += size
        self.size = end

    def start(self, name: str) -> int:
        """First id of the range `name`."""
        return self._start[name]

    def id(self, name: str) -> int:
        """The id of a range that holds a single token (a control such as `eos`)."""
        if self.sizes[name] != 1:
            raise ValueError(f"range {name!r} holds {self.sizes[name]} ids, not one")
        return self._start[name]

    @property
    def code_ranges(self) -> list[str]:
        """The names of the ranges that hold codes, in order: those that begin with `codes`."""
        return [name for name in self.sizes if name.startswith("codes")]

    def contains(self, name: str, ids: np.ndarray) -> np.ndarray:
        """Boolean array: which of `ids` lie in the range `name`."""
        start = self._start[name]
        return (ids >= start) & (ids < start + self.sizes[name])

    def mask(self, *names: str) -> np.ndarray:
        """(V,) boolean: true on every id of the named ranges."""
        mask = np.zeros(self.size, dtype=bool)
        for name in names:
            mask[self._start[name] : self._start[name] + self.sizes[name]] = True
        return mask


@dataclass(frozen=True)
class State:
    """What may be sampled in a kind of segment.

    allowed: (S, V) boolean, the ids each stream may take. trigger: the id that ends the
    segment, or -1 where only the count ends it. own_row: the trigger is a row of its own
    (EOP, EOS); otherwise it rides beside a code in some stream and its row counts.
    """

    allowed: np.ndarray
    trigger: int = NONE
    own_row: bool = True


@dataclass(frozen=True)
class TokenSequence:
    """Token rows of one sequence: what the AR model is trained on.

    ids: (L, S). targets: (L, S), the id predicted *from* this row, -1 for no loss.
    positions: (L,). frames: (L, S), the frame whose code stands there, -1 elsewhere.
    prefix_len: rows before the first segment (text and BOS). All int32.
    """

    ids: np.ndarray
    targets: np.ndarray
    positions: np.ndarray
    frames: np.ndarray
    prefix_len: int

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Restored:
    """What an ordering reads back from token rows.

    phones: (N,) int32 or None where the rows hold no text. codes: (T, C) for the C
    codebooks that the rows carry. durations: (N,) summing to T, or None where the
    ordering keeps no boundaries. certain: (N,) boolean, the durations that the rows
    determine; the others are an even split of what they share.
    """

    phones: np.ndarray | None
    codes: np.ndarray
    durations: np.ndarray | None
    certain: np.ndarray | None


@dataclass(frozen=True)
class DecodingRequest:
    """What is to be spoken: all phones (prompt, then target), and the prompt's codes.

    phones: (N,). word_of_phone: (N,). codes: (T0, Q) of the prompt, T0 may be 0.
    durations: (M,) frames of the first M phones, summing to T0. open: phone M-1 goes on
    after frame T0 (a prompt cut inside a phone); otherwise it ended there.
    least, most: (N,) bounds on the frames of each phone. max_frames: bound on the frames
    to generate, for orderings that do not count by phone. more: whether further phones follow
    that nobody knows yet; only an ordering that `grows` is asked so. language: of what is to be spoken, empty where
    none is named. voice: a recording of whoever is to speak, with all codebooks, where codes are not just that.
    """

    id: str
    phones: np.ndarray
    word_of_phone: np.ndarray
    codes: np.ndarray
    durations: np.ndarray
    open: bool
    least: np.ndarray
    most: np.ndarray
    max_frames: int
    more: bool = False
    language: str = ""
    voice: Utterance | None = None


@dataclass(frozen=True)
class DecodingScript:
    """How one utterance is decoded: K segments to sample, with forced rows around them.

    On entering segment k the rows forced[offset[k]:offset[k+1]] are fed; then rows are
    sampled under the segment's state until its trigger or, without one, until `most`
    rows. The trigger is masked below `least` rows and forced at `most` (a *cut*, unless the
    segment has to have so many). A
    trigger of its own row is fed together with the next forced rows. Group K of the
    forced rows closes the sequence (EOS). Without a trigger, `most` is at least 1.

    prefix: (P, S) ids, of which the first text_len rows are text and BOS (the prefix_len of
    `arrange`), the others the prompt. positions: (P,). next_position: the position of the first row
    after the prefix. count: rows already in segment 0, standing at the prefix's end.
    offset: (K+2,). forced: (F, S). hold: (K, S), ids that fill a stream in each sampled
    row instead of sampling it, -1 to sample. state, least, most: (K,).
    Decoding takes at most F + sum(most + 1) rows after the prefix, under any model.
    next: for orderings of several stages, makes the next stage's script from all rows
    (L, S), or returns None.
    more: further segments follow that are not known yet; group K is then empty, K may be 0.
    """

    prefix: np.ndarray
    text_len: int
    positions: np.ndarray
    next_position: int
    count: int
    forced: np.ndarray
    offset: np.ndarray
    hold: np.ndarray
    state: np.ndarray
    least: np.ndarray
    most: np.ndarray
    next: Callable[[np.ndarray], DecodingScript | None] | None = None
    more: bool = False

    @property
    def bound(self) -> int:
        """Rows fed or sampled after the prefix, at most."""
        return len(self.forced) + int((self.most + 1).sum())

    def departs(self, longer: DecodingScript) -> str | None:
        """The first field in which `longer` does not go on with this script, None where it does.

        It begins with all that this one says, and has a segment more where it is the last (`more` False).
        """
        known, forced = len(self.state), int(self.offset[-2])
        if not self.more or len(self.forced) > forced:
            return "more"
        if len(longer.state) < known + (not longer.more):
            return "state"
        for name in ("prefix", "text_len", "positions", "next_position", "count"):
            if not np.array_equal(getattr(self, name), getattr(longer, name)):
                return name
        for name in ("state", "least", "most", "hold"):
            if not np.array_equal(getattr(self, name), getattr(longer, name)[:known]):
                return name
        if not np.array_equal(self.offset[: known + 1], longer.offset[: known + 1]):
            return "offset"
        return None if np.array_equal(self.forced[:forced], longer.forced[:forced]) else "forced"
