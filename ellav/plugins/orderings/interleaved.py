"""ELLA-V's ordering: every phone holds its own codes between itself and an EOP token.

Source: ELLA-V (arXiv 2401.07333), section 3, "generalized autoregressive" modelling.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.rows import alone, row_positions, sum_by
from ellav.types import (
    NONE,
    SILENCE,
    DecodingRequest,
    DecodingScript,
    Restored,
    State,
    TokenSequence,
    Utterance,
    Vocabulary,
)

MOST_CODEBOOKS = 16


@orderings.register("interleaved")
class Interleaved:
    """phones BOS p1 c... EOP p2 c... EOP ... pN c... EOP EOS

    With durations d, b_i = d_1 + ... + d_i and local advance a, the pair EOP_i, p_(i+1)
    stands before frame max(b_i - a, 0) for i < N, and EOP_N at the end T. So phone i + 1
    and the end of phone i are known a frames early (co-articulation), and inner segments
    still hold exactly d_i codes; the last holds d_N + a. Where b_1 <= a the first
    durations cannot be read back; `restore` splits them evenly and marks them uncertain.

    global_advance: write all phones before BOS. local_advance: a, in frames (the paper
    does not publish its value). silence: "phone" sandwiches `sp` like any phone; "fold"
    leaves `sp` out of the sandwiches and counts its frames with the phone before it
    (leading silence: with the first phone). phone_tokens: False is the paper's ablation
    of the phone sandwich: only EOP stands between the phones' codes. codebooks: how many codes a frame has in its
    row, from the first; the NAR model makes the others. In the paper 1. Those of a row are drawn one after the other,
    as by the depth transformer of Moshi (arXiv 2410.00037).

    Without global advance the model reads phone i + 1 behind EOP_i and knows of none after it, so text may
    come while it is spoken (`grows`): how many codes segment i holds depends on whether a phone follows, and
    on nothing else that is to come. The last a frames of a phone stand in the segments after its own.
    """

    combine = "sum"
    positions = "token"
    depth = True
    needs_durations = True

    def __init__(
        self,
        global_advance: bool = True,
        local_advance: int = 4,
        silence: Literal["phone", "fold"] = "phone",
        phone_tokens: bool = True,
        codebooks: int = 1,
    ):
        if not 0 <= local_advance <= 10_000:
            raise ValueError(f"local_advance must be 0 to 10000, not {local_advance}")
        if not (global_advance or phone_tokens):
            raise ValueError("without global_advance and phone_tokens the model would see no text")
        if silence == "fold" and not global_advance:
            raise ValueError("silence='fold' needs global_advance: the folded silences would stand nowhere")
        if not 1 <= codebooks <= MOST_CODEBOOKS:
            raise ValueError(f"codebooks must be 1 to {MOST_CODEBOOKS}, not {codebooks}")
        self.codebooks = self.streams = codebooks
        self.global_advance = global_advance
        self.lookahead = local_advance
        self.local_advance = local_advance
        self.silence = silence
        self.phone_tokens = phone_tokens
        self.grows = not global_advance

    def bind(self, phones: tuple[str, ...], codebook_size: int) -> None:
        """Set vocabulary and states for this token list and size of codebook."""
        books = ["codes", *(f"codes{number}" for number in range(2, self.codebooks + 1))]
        controls = {"bos": 1, "eop": 1, "eos": 1}
        self.vocabulary = Vocabulary({"phones": len(phones), **controls, **dict.fromkeys(books, codebook_size)})
        self.bos, self.eop, self.eos = (self.vocabulary.id(name) for name in controls)
        self.first_code = self.vocabulary.start("codes")
        self.first_codes = np.array([self.vocabulary.start(book) for book in books], np.int32)
        allowed = np.stack([self.vocabulary.mask(book) for book in books])  # (C, V)
        allowed[0, self.eop] = True
        self.states = (State(allowed, trigger=self.eop),)
        self.folded = np.array([phone == SILENCE and self.silence == "fold" for phone in phones])

    def arrange(self, utterance: Utterance) -> TokenSequence:
        """Token rows of a whole utterance, which needs durations."""
        if utterance.durations is None:
            raise ValueError(f"{utterance.id}: the interleaved ordering needs durations")
        kept, owner = self._kept(utterance.phones)
        ends = np.cumsum(sum_by(owner, utterance.durations, len(kept)))
        marks = np.maximum(ends - self.local_advance, 0)
        marks[-1] = utterance.frames
        counts = np.diff(marks, prepend=0)

        lengths = counts + 1 + self.phone_tokens
        starts = np.cumsum(lengths) - lengths
        body = np.full((lengths.sum() + 1, self.streams), NONE, np.int32)
        if self.phone_tokens:
            body[starts, 0] = utterance.phones[kept]
        body[starts + lengths - 1, 0] = self.eop
        body[-1, 0] = self.eos
        code_rows = np.flatnonzero(body[:, 0] == NONE)
        body[code_rows] = self._codes(utterance.codes)

        ids = np.concatenate([alone(self._prefix(utterance.phones), self.streams), body])
        head = len(ids) - len(body)
        frames = np.full(ids.shape, NONE, np.int32)
        frames[head + code_rows] = np.arange(utterance.frames)[:, None]
        targets = np.full(ids.shape, NONE, np.int32)
        targets[:-1] = np.where(ids[1:] >= self.eop, ids[1:], NONE)
        return TokenSequence(ids, targets, row_positions(head, len(ids)), frames, head)

    def restore(self, ids: np.ndarray) -> Restored:
        """Read phones, codes and durations back from complete rows (L, C).

        Boundaries within the first `local_advance` frames are an even split; folded
        silence comes back with 0 frames. Both are marked uncertain.
        """
        phones, codes, marks = self._read(ids)
        kept, owner = self._kept(phones)
        frames = len(codes)
        hidden = int((marks[:-1] == 0).sum()) if self.local_advance else 0
        ends = np.minimum(marks + self.local_advance, frames)
        ends[-1] = frames
        ends[:hidden] = self._split(ends, hidden)

        durations = np.zeros(len(phones), np.int32)
        durations[kept] = np.diff(ends, prepend=0)
        certain = np.ones(len(phones), bool)
        if hidden:
            certain[kept[: hidden + 1]] = False
        shared = np.bincount(owner, minlength=len(kept)) > 1
        certain[kept[shared]] = False
        certain[self.folded[phones]] = False
        return Restored(phones.astype(np.int32), codes, durations, certain)

    def restore_begun(self, ids: np.ndarray) -> Restored:
        """Read back rows (L, C) that are still being decoded: the phones that have begun, the last one open.

        A phone's end is known `local_advance` frames early, so every frame has its phone already; but for the first
        ones where `restore` splits boundaries evenly: no frame is given before it is known what there is to split.
        """
        phones, codes, marks = self._read(ids)
        kept, _ = self._kept(phones)
        marks = marks[: len(kept)]
        hidden = int((marks == 0).sum()) if self.local_advance else 0
        split = hidden and (hidden >= len(marks) or marks[hidden] + self.local_advance > len(codes))
        if split or not len(phones):
            nothing = np.zeros(0, np.int32)
            return Restored(nothing, codes[:0], nothing, nothing.astype(bool))

        ends = np.minimum(marks + self.local_advance, len(codes))
        if hidden:
            ends[:hidden] = self._split(ends, hidden)
        if len(ends) < len(kept):
            ends = np.append(ends, len(codes))
        begun = int(kept[len(ends) - 1]) + 1
        durations, certain = np.zeros(begun, np.int32), np.zeros(begun, bool)
        durations[kept[: len(ends)]] = np.diff(ends, prepend=0)
        certain[kept[hidden + 1 : len(marks)] if hidden else kept[: len(marks)]] = True
        return Restored(phones[:begun].astype(np.int32), codes, durations, certain)

    def script(self, request: DecodingRequest) -> DecodingScript:
        """Decode phone after phone. The prefix ends inside the open phone's segment.

        A whole-utterance prompt has closed its last phone: the next one is open and
        already holds the last `local_advance` frames of the prompt. Of a text that goes on, the last
        phone known has no segment yet. Raises ValueError where the text of an ordering with global
        advance goes on.
        """
        if request.more and not self.grows:
            raise ValueError(f"{request.id}: with global_advance the whole text must be known")
        kept, owner = self._kept(request.phones)
        begun, frames = len(request.durations), len(request.codes)
        closed = self._closed(request, owner)
        held = sum_by(owner[:begun], request.durations, len(kept))
        ends = np.cumsum(held)[:closed]
        marks = np.maximum(ends - self.local_advance, 0)
        phones = request.phones[kept].astype(np.int32)

        prefix = [alone(self._prefix(request.phones), self.streams)]
        codes = self._codes(request.codes)
        for k, (start, end) in enumerate(zip([0, *marks], [*marks, frames], strict=True)):
            prefix += [alone(phones[k : k + 1], self.streams)] if self.phone_tokens else []
            prefix += [codes[start:end]]
            prefix += [alone([self.eop], self.streams)] if k < closed else []
        ids = np.concatenate(prefix)
        head = len(prefix[0])

        before = int(ends[-1]) if closed else 0
        least, most = self._bounds(
            before,
            frames,
            sum_by(owner, request.least, len(kept))[closed:],
            sum_by(owner, request.most, len(kept))[closed:],
        )
        count = frames - (int(marks[-1]) if closed else 0)
        most[0] = max(most[0], count)
        segments = len(kept) - closed - request.more
        forced = phones[closed + 1 : closed + segments] if self.phone_tokens else phones[:0]
        closing = np.zeros(0, np.int32) if request.more else np.array([self.eos], np.int32)
        offset = np.zeros(segments + 2, np.int64)
        if self.phone_tokens:
            offset[1:-1] = np.arange(segments)
        offset[-1] = offset[-2] + len(closing)
        return DecodingScript(
            prefix=ids,
            text_len=head,
            positions=row_positions(head, len(ids)),
            next_position=len(ids) - head,
            count=count,
            forced=alone([*forced, *closing], self.streams),
            offset=offset,
            hold=np.full((segments, self.streams), NONE, np.int32),
            state=np.zeros(segments, np.int32),
            least=least[:segments].astype(np.int32),
            most=most[:segments].astype(np.int32),
            more=request.more,
        )

    def _read(self, ids: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Of rows (L, C): phones, codes (T, C), and how many frames stand before each EOP."""
        first = ids[:, 0]
        bos = int(np.flatnonzero(first == self.bos)[0])
        body = first[bos + 1 :]
        is_code = body >= self.first_code
        codes = (ids[bos + 1 :][is_code] - self.first_codes).astype(np.int16)
        phones = first[:bos] if self.global_advance else body[body < self.bos]
        return phones, codes, np.cumsum(is_code)[body == self.eop]

    def _split(self, ends: np.ndarray, hidden: int) -> np.ndarray:
        """(hidden,) ends of the first phones, which all stand at the beginning: even parts up to the next one."""
        share = ends[hidden] * np.arange(1, hidden + 1) // (hidden + 1)
        return np.minimum(share, self.local_advance)

    def _prefix(self, phones: np.ndarray) -> np.ndarray:
        text = phones if self.global_advance else phones[:0]
        return np.concatenate([text, [self.bos]]).astype(np.int32)

    def _codes(self, codes: np.ndarray) -> np.ndarray:
        """(T, C) ids of the first codebooks of codes (T, Q). Raises ValueError where these have fewer."""
        if codes.shape[1] < self.codebooks:
            raise ValueError(f"codebooks={self.codebooks}, but these codes have {codes.shape[1]}")
        return codes[:, : self.codebooks].astype(np.int32) + self.first_codes

    def _kept(self, phones: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the sandwiched phones, and for each phone the sandwich that has its frames."""
        folded = self.folded[phones]
        if folded.all():
            folded = np.zeros(len(phones), bool)  # nothing but silence: sandwich it after all
        return np.flatnonzero(~folded), np.maximum(np.cumsum(~folded) - 1, 0)

    def _closed(self, request: DecodingRequest, owner: np.ndarray) -> int:
        """Number of sandwiches that the prompt has closed."""
        begun = len(request.durations)
        if begun == 0:
            return 0
        if begun == len(owner) and not request.open:
            raise ValueError(f"{request.id}: no phones after the prompt")
        return int(owner[begun - 1 if request.open else begun])

    def _bounds(self, before: int, prompt: int, least: np.ndarray, most: np.ndarray):
        """Bounds on the codes in each remaining segment, from bounds on durations.

        A segment that starts after b frames and lasts d holds
        max(b + d - a, 0) - max(b - a, 0) codes, the last one b + d - max(b - a, 0);
        both grow with b and with d.
        """
        a = self.local_advance
        bounds = []
        for durations in (least, most):
            ends = before + np.cumsum(durations)
            if durations is least:
                ends = np.maximum(ends, prompt)
            starts = np.concatenate([[before], ends[:-1]])
            held = np.maximum(starts + durations - a, 0) - np.maximum(starts - a, 0)
            held[-1] = starts[-1] + durations[-1] - max(starts[-1] - a, 0)
            bounds.append(held)
        return bounds[0], np.maximum(bounds[1], bounds[0])
