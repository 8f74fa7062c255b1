"""VALL-E's ordering: all phones, then all codes of the first codebook.

Source: VALL-E (arXiv 2301.02111), section 4.2.1.
"""

from __future__ import annotations

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.rows import row_positions
from ellav.types import NONE, DecodingRequest, DecodingScript, Restored, State, TokenSequence, Utterance, Vocabulary


@orderings.register("concat")
class Concat:
    """phones BOS c1 c2 ... cT EOS

    Positions start again at 0 with the first code, as the two separate sinusoidal
    position tables of the paper do.
    """

    streams = 1
    codebooks = 1
    combine = "sum"
    positions = "token"
    needs_durations = False
    lookahead = 0

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Set vocabulary and states for this token list and size of codebook."""
        self.vocabulary = Vocabulary({"phones": len(phones), "bos": 1, "eos": 1, "codes": codebook_size})
        self.bos, self.eos = self.vocabulary.id("bos"), self.vocabulary.id("eos")
        self.first_code = self.vocabulary.start("codes")
        self.states = (State(self.vocabulary.mask("codes", "eos")[None], trigger=self.eos),)

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance; durations are not read."""
        ids, positions = self._rows(utterance.phones, utterance.codes)
        ids = np.append(ids, np.int32(self.eos))
        positions = np.append(positions, np.int32(utterance.frames))
        prefix = len(utterance.phones) + 1
        frames = np.full(len(ids), NONE, np.int32)
        frames[prefix:-1] = np.arange(utterance.frames)
        targets = np.full(len(ids), NONE, np.int32)
        targets[prefix - 1 : -1] = ids[prefix:]
        return TokenSequence(ids[:, None], targets[:, None], positions, frames[:, None], prefix)

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones and codes back from complete rows (L, 1); no durations."""
        ids = ids[:, 0]
        bos = int(np.flatnonzero(ids == self.bos)[0])
        codes = ids[bos + 1 :][ids[bos + 1 :] >= self.first_code] - self.first_code
        return Restored(ids[:bos].astype(np.int32), codes.astype(np.int16)[:, None], None, None)

    def restore_begun(self, ids: np.ndarray) -> Restored:
        """As `restore`: without marks, rows that are still being decoded are read like complete ones."""
        return self.restore(ids)

    def script(self, request: DecodingRequest) -> DecodingScript:
        """One segment, ended by EOS: at least the least frames of the target's phones."""
        ids, positions = self._rows(request.phones, request.codes)
        count, begun = len(request.codes), len(request.durations)
        least = count + int(request.least[begun:].sum())
        return DecodingScript(
            prefix=ids[:, None],
            text_len=len(request.phones) + 1,
            positions=positions,
            next_position=count,
            count=count,
            forced=np.zeros((0, 1), np.int32),
            offset=np.zeros(3, np.int64),
            hold=np.full((1, 1), NONE, np.int32),
            state=np.zeros(1, np.int32),
            least=np.array([least], np.int32),
            most=np.array([max(least, count + request.max_frames)], np.int32),
        )

    def _rows(self, phones: np.ndarray, codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        ids = np.concatenate([phones, [self.bos], codes[:, 0].astype(np.int32) + self.first_code]).astype(np.int32)
        return ids, row_positions(len(phones) + 1, len(ids))
