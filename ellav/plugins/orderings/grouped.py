"""VALL-E 2's ordering: all phones, then the codes of the first codebook, several in each row.

Source: VALL-E 2 (arXiv 2406.05370), "grouped code modeling".
"""

from __future__ import annotations

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.rows import alone, row_positions
from ellav.types import NONE, DecodingRequest, DecodingScript, Restored, State, TokenSequence, Utterance, Vocabulary

GROUPS = (1, 2, 4, 8)
"""Sizes of a group that the paper tries."""


@orderings.register("grouped")
class Grouped:
    """phones BOS (c1 ... cG) (c(G+1) ... c2G) ... EOS: one row holds G consecutive codes.

    Phones, BOS and EOS stand in the first stream. The codes of a row are drawn independently
    of one another, so there are G times fewer steps, and a position counts G frames. The paper
    cuts codes off so that G divides their number; here the last row is filled up with PAD,
    so that no frame is lost. A row begins with a code or is EOS.

    A prompt that ends inside a group is gone on with in that group: its codes are held, and
    the rest of the row is sampled.

    group: G, frames in a row: 1, 2, 4 or 8. 1 makes exactly the rows of the ordering of VALL-E.
    """

    codebooks = 1
    combine = "concat"
    positions = "token"
    needs_durations = False
    lookahead = 0

    def __init__(self, group: int = 2):
        if group not in GROUPS:
            raise ValueError(f"group={group} must be one of {', '.join(map(str, GROUPS))}")
        self.group = self.streams = group

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Set vocabulary and states for this token list and size of codebook.

        The first state goes on row after row until EOS; the second is one row that the prompt has begun.
        """
        pad = {"pad": 1} if self.group > 1 else {}
        self.vocabulary = Vocabulary({"phones": len(phones), "bos": 1, "eos": 1, **pad, "codes": codebook_size})
        self.bos, self.eos = self.vocabulary.id("bos"), self.vocabulary.id("eos")
        self.pad = self.vocabulary.id("pad") if pad else NONE
        self.first_code = self.vocabulary.start("codes")
        begun = np.repeat(self.vocabulary.mask("codes")[None], self.group, axis=0)  # (S, V)
        begun[1:] |= self.vocabulary.mask(*pad)
        going_on = begun.copy()
        going_on[0, self.eos] = True
        self.states = (State(going_on, trigger=self.eos), State(begun))

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance; durations are not read."""
        head = self._head(utterance.phones)
        body = self._groups(utterance.codes)
        ids = np.concatenate([head, body, alone([self.eos], self.group)])
        frames = np.full(ids.shape, NONE, np.int32)
        numbers = np.arange(body.size).reshape(body.shape)
        frames[len(head) : -1] = np.where(numbers < utterance.frames, numbers, NONE)
        targets = np.full(ids.shape, NONE, np.int32)
        targets[len(head) - 1 : -1] = ids[len(head) :]
        return TokenSequence(ids, targets, row_positions(len(head), len(ids)), frames, len(head))

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones and codes back from complete rows (L, G); no durations.

        A PAD that a bad model puts before the end counts as no frame.
        """
        bos = int(np.flatnonzero(ids[:, 0] == self.bos)[0])
        codes = ids[bos + 1 :][ids[bos + 1 :] >= self.first_code] - self.first_code
        return Restored(ids[:bos, 0].astype(np.int32), codes.astype(np.int16)[:, None], None, None)

    def restore_begun(self, ids: np.ndarray) -> Restored:
        """As `restore`: without marks, rows that are still being decoded are read like complete ones."""
        return self.restore(ids)

    def script(self, request: DecodingRequest) -> DecodingScript:
        """One segment, ended by EOS; before it, where the prompt ends inside a group, the rest of that row."""
        head = self._head(request.phones)
        full, inside = divmod(len(request.codes), self.group)
        prefix = np.concatenate([head, self._groups(request.codes[: full * self.group])])
        segments = 1 + (inside > 0)
        hold = np.full((segments, self.group), NONE, np.int32)
        hold[0, :inside] = request.codes[full * self.group :, 0].astype(np.int32) + self.first_code
        count, elsewhere = (0, full + 1) if inside else (full, 0)  # rows in the last segment, and before it
        ends = len(request.codes) + np.array([int(request.least[len(request.durations) :].sum()), request.max_frames])
        least, most = -(-ends // self.group) - elsewhere
        bounds = np.ones((2, segments), np.int32)
        bounds[:, -1] = max(least, 0), max(least, most, 0)
        return DecodingScript(
            prefix=prefix,
            text_len=len(head),
            positions=row_positions(len(head), len(prefix)),
            next_position=full,
            count=count,
            forced=np.zeros((0, self.group), np.int32),
            offset=np.zeros(segments + 2, np.int64),
            hold=hold,
            state=np.array([1, 0] if inside else [0], np.int32),
            least=bounds[0],
            most=bounds[1],
        )

    def _head(self, phones: np.ndarray) -> np.ndarray:
        return alone([*phones, self.bos], self.group)

    def _groups(self, codes: np.ndarray) -> np.ndarray:
        """(rows, G) ids of codes (T, Q), the last row filled up."""
        ids = codes[:, 0].astype(np.int32) + self.first_code
        more = -len(ids) % self.group
        return np.append(ids, np.full(more, self.pad, np.int32)).reshape(-1, self.group)
