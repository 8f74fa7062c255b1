"""The NAR model on one window after another of an utterance whose codebook 1 is still being decoded."""

from __future__ import annotations

import numpy as np

from ellav.infer.pipeline import Pipeline, nar_input
from ellav.infer.voice_match import phones_between
from ellav.models.nar import NARInput
from ellav.types import DecodingRequest


class NARWindows:
    """Completes the codes of one request as its first codebooks become known.

    A window is given the end of the prompt and up to `context` frames of what was made last as its prompt, together no
    more than the model is given of a prompt elsewhere (`Pipeline.nar_prompt`), so what was spoken stays as it is. The
    frames behind the window, whose first codebooks are known too, are completed with it and thrown away.

    Where the ordering tells no durations, nobody knows which phones belong to a window: it is given all of them, as the
    model was in training, and all that was made.
    """

    def __init__(self, pipeline: Pipeline, request: DecodingRequest, context: int):
        self.pipeline, self.request, self.context = pipeline, pipeline.fitting(request), context
        self._made = self.request.codes[:0]  # (frames, Q) after the prompt
        self._missed = pipeline.missed([self.request])[0]

    def push(self, codes: np.ndarray, durations: np.ndarray | None, frames: int, phones: np.ndarray) -> np.ndarray:
        """All codebooks (frames, Q) of the next `frames` frames, or what lies between codes (frames, D), whichever
        `Pipeline.sound` takes.

        codes: (T, C) known codebooks of prompt, of what was made, of these frames and of some behind them.
        durations: (N,) frames of each phone, T at least in all, or None. phones: (N,), those of the request, or more of
        them where its text goes on.
        """
        mixing = self.pipeline.mixing
        if not frames:
            return self._made[:0] if mixing is None else self.pipeline.sums(self._made[:0])
        start = len(self.request.codes) + len(self._made)
        made, spoken = codes[start : start + frames], None
        if self.pipeline.nar is not None:
            item = self._item(codes, durations, phones)
            new = slice(len(item.prompt), len(item.prompt) + frames)
            (whole,) = self.pipeline.nar.complete([item], mixing)
            made, spoken = whole.codes[new], None if mixing is None else whole.vectors[new] + self._missed
        self._made = np.concatenate([self._made, made])
        return made if spoken is None else spoken

    def _item(self, codes: np.ndarray, durations: np.ndarray | None, phones: np.ndarray) -> NARInput:
        request, made, most = self.request, self._made, self.pipeline.nar_prompt
        if durations is None:
            item = nar_input(request, None, codes, most)
            return NARInput(item.phones, None, item.codes, np.concatenate([item.prompt, made]))
        start, spoken = len(request.codes), len(request.codes) + len(made)
        most = spoken if most is None else most
        context = min(len(made), self.context, most)
        prompt = min(start, most - context)
        pieces = [(start - prompt, start), (spoken - context, len(codes))]
        if context == len(made):  # nothing lies between
            pieces = [(start - prompt, len(codes))]
        pieces = [(first, end) for first, end in pieces if first < end]
        parts = [phones_between(phones, durations, *piece) for piece in pieces]
        return NARInput(
            np.concatenate([said for said, _ in parts]),
            np.concatenate([frames for _, frames in parts]),
            np.concatenate([codes[slice(*piece)] for piece in pieces]),
            np.concatenate([request.codes[start - prompt :], made[len(made) - context :]]),
        )
