"""CTC-TTS's ordering: a block for each word, which knows the phones of the next word too.

Source: CTC-TTS (arXiv 2602.19574), the bi-word interleaving of its variant CTC-TTS-L.
"""

from __future__ import annotations

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.rows import row_positions, sum_by
from ellav.types import NONE, DecodingRequest, DecodingScript, Restored, State, TokenSequence, Utterance, Vocabulary


@orderings.register("word_block")
class WordBlock:
    """BOS, then for each word: its phones SEP phones of the next word, its codes EOB

    No phone is known before the word in front of it begins, so text may still come while
    speech is made. Blocks follow `word_of_phone`. Every silence (`sp`) is a block of its own,
    so that its length can be read back, and the next block in the eyes of the word before it.
    The last block has nothing after SEP.

    Rows tell where words and silences end, not where phones end inside a word: those share
    the frames of their word evenly and are marked uncertain. A prompt may end inside a word,
    also inside one of its phones; its block is left open.
    """

    streams = 1
    codebooks = 1
    combine = "sum"
    positions = "token"
    needs_durations = True
    lookahead = 0

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Set vocabulary and states for this token list and size of codebook."""
        self.vocabulary = Vocabulary({"phones": len(phones), "bos": 1, "sep": 1, "eob": 1, "codes": codebook_size})
        self.bos, self.sep, self.eob = (self.vocabulary.id(name) for name in ("bos", "sep", "eob"))
        self.first_code = self.vocabulary.start("codes")
        self.states = (State(self.vocabulary.mask("codes", "eob")[None], trigger=self.eob),)

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance, which needs durations."""
        if utterance.durations is None:
            raise ValueError(f"{utterance.id}: the word_block ordering needs durations")
        block = blocks(utterance.word_of_phone)
        ends = np.cumsum(sum_by(block, utterance.durations))
        heads = self._heads(utterance.phones, block)
        parts = self._parts(heads, np.split(utterance.codes, ends[:-1]))
        ids = np.concatenate([[self.bos], *parts]).astype(np.int32)

        is_code = ids >= self.first_code
        frames = np.where(is_code, np.cumsum(is_code) - 1, NONE).astype(np.int32)
        targets = np.full(len(ids), NONE, np.int32)
        scored = ids >= self.eob
        targets[:-1][scored[1:]] = ids[1:][scored[1:]]
        return TokenSequence(ids[:, None], targets[:, None], row_positions(1, len(ids)), frames[:, None], 1)

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones, codes and durations back from complete rows (L, 1)."""
        ids = ids[:, 0]
        codes = (ids[ids >= self.first_code] - self.first_code).astype(np.int16)[:, None]
        closed = np.cumsum(ids == self.eob)
        own = (ids < self.bos) & (np.cumsum(ids == self.sep) == closed)  # not those that look ahead
        size = np.bincount(closed[own])  # phones of each block
        held = np.bincount(closed[ids >= self.first_code], minlength=len(size))
        place = np.arange(own.sum()) - np.repeat(np.cumsum(size) - size, size)
        length, among = np.repeat(held, size), np.repeat(size, size)
        durations = (place + 1) * length // among - place * length // among
        return Restored(ids[own].astype(np.int32), codes, durations.astype(np.int32), among == 1)

    def restore_begun(self, ids: np.ndarray) -> Restored:
        """Read back rows (L, 1) that are still being decoded, up to the end of the last complete block.

        Its frames are shared out evenly among the phones of a block, so none has its phone before the block's end.
        """
        ends = np.flatnonzero(ids[:, 0] == self.eob)
        return self.restore(ids[: ends[-1] + 1 if len(ends) else 0])

    def script(self, request: DecodingRequest) -> DecodingScript:
        """Decode block after block. The prefix ends inside the block of the phone that is open or comes next."""
        block = blocks(request.word_of_phone)
        begun, frames = len(request.durations), len(request.codes)
        closed_phones = begun - bool(request.open)
        if closed_phones == len(request.phones):
            raise ValueError(f"{request.id}: no phones after the prompt")
        closed = int(block[closed_phones])  # blocks
        held = sum_by(block[:begun], request.durations, closed + 1)
        heads = self._heads(request.phones, block)
        spoken = np.split(request.codes, np.cumsum(held[:-1]))
        prefix = np.concatenate([[self.bos], *self._parts(heads, spoken)])
        prefix = prefix[:-1].astype(np.int32)  # the block is still open
        least, most = (self._bound(block, bound, request)[closed:] for bound in (request.least, request.most))
        segments = len(heads) - closed
        forced = heads[closed + 1 :]
        offset = np.zeros(segments + 2, np.int64)
        offset[2:] = np.cumsum([*map(len, forced), 0])
        return DecodingScript(
            prefix=prefix[:, None],
            text_len=1,
            positions=row_positions(1, len(prefix)),
            next_position=len(prefix) - 1,
            count=frames - int(held[:-1].sum()),
            forced=np.concatenate([*forced, []]).astype(np.int32)[:, None],
            offset=offset,
            hold=np.full((segments, 1), NONE, np.int32),
            state=np.zeros(segments, np.int32),
            least=np.minimum(least, most),
            most=most,
        )

    def _heads(self, phones: np.ndarray, block: np.ndarray) -> list[np.ndarray]:
        """What stands before the codes of each block."""
        words = np.split(phones, np.flatnonzero(np.diff(block)) + 1)
        return [
            np.concatenate([word, [self.sep], following])
            for word, following in zip(words, [*words[1:], phones[:0]], strict=True)
        ]

    def _parts(self, heads: list[np.ndarray], codes: list[np.ndarray]) -> list[np.ndarray]:
        """The rows of each of the first blocks, as many as there are codes (T, Q) of."""
        return [
            np.concatenate([head, part[:, 0].astype(np.int32) + self.first_code, [self.eob]])
            for head, part in zip(heads, codes, strict=False)
        ]

    def _bound(self, block: np.ndarray, frames: np.ndarray, request: DecodingRequest) -> np.ndarray:
        """Bound on the frames of each block from one on phones (N,); what the prompt has ended is known."""
        begun = len(request.durations)
        known = frames.astype(np.int64)
        known[:begun] = request.durations
        if request.open:
            known[begun - 1] = max(frames[begun - 1], request.durations[-1])
        return sum_by(block, known).astype(np.int32)


def blocks(word_of_phone: np.ndarray) -> np.ndarray:
    """(N,) the number of the block of each phone: words in order, each silence by itself."""
    word = np.asarray(word_of_phone)
    begins = np.append(True, (word[1:] != word[:-1]) | (word[1:] == NONE))
    return np.cumsum(begins) - 1
