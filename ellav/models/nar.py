"""The non-autoregressive model: each further codebook at once from phones, prompt and codebooks before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.models.options import ModelOptions
from ellav.models.transformer import Transformer, embedding_table
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.types import NONE

PLACES = 8
"""Into how many places a phone is divided, where frames are told their place."""


@dataclass(frozen=True)
class NARInput:
    """What the NAR model completes. T frames, of which the first T0 are the prompt.

    phones: (N,) of prompt and target. durations: (N,) frames summing to T, or None (then
    only a model with text in front works). codes: (T, C), the codebooks that are known,
    prompt frames included. prompt: (T0, Q) or more columns, all codebooks of the prompt; T0 may be 0.
    """

    phones: np.ndarray
    durations: np.ndarray | None
    codes: np.ndarray
    prompt: np.ndarray


class Mixing(NamedTuple):
    """How frames are told as vectors between codes: means of the codes' vectors, weighted by the model's probabilities
    at a temperature; at 0 the vectors of the likeliest codes. vectors: (Q, size, D), see
    `ellav.plugins.codecs.VectorCodec`."""

    vectors: Tensor
    temperature: float

    def mean(self, logits: Tensor, codebook: int) -> Tensor:
        """(n, size) of a codebook (0-based) -> (n, D)."""
        if not self.temperature:
            return self.vectors[codebook][logits.argmax(-1)]
        return (logits / self.temperature).softmax(-1) @ self.vectors[codebook]


class Completed(NamedTuple):
    """All T frames of an item, its prompt included. codes: (T, Q) int16, the likeliest ones. vectors: (T, D) float32,
    what the codec is to decode, or None without a `Mixing`. log_probability: (T - T0,) natural logarithms of the
    probability that the model gives the codes that it chose, summed over those of a frame; None where it was not asked
    for."""

    codes: np.ndarray
    vectors: np.ndarray | None
    log_probability: np.ndarray | None


@dataclass(frozen=True)
class NARRows:
    """The rows of one sequence at one level. ids: (R, Q + 2) into the table, -1 for
    nothing. positions: (R,). first: rows before the first frame (the text, if in front)."""

    ids: np.ndarray
    positions: np.ndarray
    first: int

    def __len__(self) -> int:
        return len(self.ids)


class NARModel(nn.Module):
    """Codebooks C+1..Q, one level each, told by AdaLN. Attention is full.

    One table holds all codebooks (`size` entries each), the phones and the places; a
    row's input is the sum of its entries. The head of a codebook is its part of the table.
    codebooks: Q, those of the codec, or as many as the options say. known: C, the codebooks that the AR model makes.
    """

    def __init__(self, options: ModelOptions, phones: int, codebooks: int, known: int, size: int):
        super().__init__()
        if options.codebooks is not None:
            if options.codebooks > codebooks:
                raise ValueError(f"codebooks={options.codebooks} of a codec that has {codebooks}")
            codebooks = options.codebooks
        if not 1 <= known < codebooks:
            raise ValueError(f"{known} of {codebooks} codebooks come from the AR model: nothing is left to predict")
        self.options, self.phones, self.codebooks, self.known, self.size = options, phones, codebooks, known, size
        entries = codebooks * size + phones + PLACES
        self.table = embedding_table(entries, options.width, options.width**-0.5)
        self.transformer = Transformer(options, levels=codebooks - known)

    def rows(
        self, phones: np.ndarray, durations: np.ndarray | None, codes: np.ndarray, prompt: int, codebook: int
    ) -> NARRows:
        """The input from which `codebook` (0-based) is predicted.

        codes: (T, Q) or more columns; of frames after the first `prompt` only columns below `codebook` are read.
        """
        frames, at_phones = len(codes), self.codebooks * self.size
        acoustic = codes[:, : self.codebooks].astype(np.int64) + np.arange(self.codebooks) * self.size  # (T, Q)
        acoustic[prompt:, codebook:] = NONE
        spoken = np.full((frames, 2), NONE, np.int64)
        if self.options.text == "prefix":
            text = np.full((len(phones), self.codebooks + 2), NONE, np.int64)
            text[:, -2] = phones + at_phones
            ids = np.concatenate([text, np.concatenate([acoustic, spoken], axis=1)])
            positions = np.concatenate([np.arange(len(phones)), np.arange(frames)])
            return NARRows(ids, positions, len(phones))
        if durations is None:
            raise ValueError("a NAR model with aligned text needs durations")
        spoken[:, 0] = np.repeat(phones, durations) + at_phones
        if self.options.place:
            starts = np.repeat(np.cumsum(durations) - durations, durations)
            part = (np.arange(frames) - starts) * PLACES // np.repeat(durations, durations)
            spoken[:, 1] = part + at_phones + self.phones
        return NARRows(np.concatenate([acoustic, spoken], axis=1), np.arange(frames), 0)

    def forward(self, ids: Tensor, positions: Tensor, lengths: list[int], level: Tensor) -> Tensor:
        """Hidden states (R, D) of packed sequences.

        ids: (R, Q + 2) as `rows` makes them. positions: (R,). level: () or (R,),
        codebook - C.
        """
        none = len(self.table) - 1
        ids = torch.where(ids < 0, none, ids)
        x = F.embedding_bag(ids, self.table, mode="sum", padding_idx=none) * self.options.width**0.5  # (R, D)
        return self.transformer(x, positions, lengths, False, level=level)

    def logits(self, hidden: Tensor, codebook: int) -> Tensor:
        """(..., D) -> (..., size): scores of the entries of `codebook` (0-based)."""
        return F.linear(hidden, self.table[codebook * self.size : (codebook + 1) * self.size])

    def generate(self, items: list[NARInput]) -> list[np.ndarray]:
        """All codebooks (T, Q) int16 of each item, prompt included; greedy, one pass a level."""
        return [done.codes for done in self.complete(items)]

    @torch.inference_mode()
    def complete(
        self, items: list[NARInput], mixing: Mixing | None = None, confidence: bool = False
    ) -> list[Completed]:
        """All codebooks of each item, one pass a level, each level after the likeliest codes of those before it.

        mixing: to tell what lies between codes too. A frame of which the model is not sure is so spoken as the mean of
        what it may be, and not as one or another of it from frame to frame. confidence: to tell how likely the codes
        that are chosen are to the model.
        """
        done, sums, sure = [], [], [0.0] * len(items)
        for item in items:
            codes = np.zeros((len(item.codes), self.codebooks), np.int16)
            codes[:, : self.known] = item.codes[:, : self.known]
            codes[: len(item.prompt)] = item.prompt[:, : self.codebooks]
            done.append(codes)
            if mixing is not None:
                ids = torch.from_numpy(codes.astype(np.int64)).to(mixing.vectors.device)
                total = sums_of_vectors(mixing.vectors, ids[:, : self.known])  # (T, D)
                total[: len(item.prompt)] = sums_of_vectors(mixing.vectors, ids[: len(item.prompt)])
                sums.append(total)
        for codebook in range(self.known, self.codebooks):
            made = [
                self.rows(item.phones, item.durations, codes, len(item.prompt), codebook)
                for item, codes in zip(items, done, strict=True)
            ]
            device = self.table.device
            ids = torch.from_numpy(np.concatenate([rows.ids for rows in made])).to(device)
            positions = torch.from_numpy(np.concatenate([rows.positions for rows in made])).to(device)
            level = torch.tensor(codebook - self.known, device=device)
            hidden = self(ids, positions, [len(rows) for rows in made], level)
            wanted, start = [], 0
            for item, rows in zip(items, made, strict=True):
                wanted.append(np.arange(start + rows.first + len(item.prompt), start + len(rows)))
                start += len(rows)
            logits = self.logits(hidden[torch.from_numpy(np.concatenate(wanted)).to(device)], codebook)  # (n, size)
            lengths = [len(w) for w in wanted]
            for item, codes, part in zip(items, done, logits.argmax(-1).cpu().split(lengths), strict=True):
                codes[len(item.prompt) :, codebook] = part.numpy()
            if confidence:
                said = logits.float()
                likeliest = (said.amax(dim=-1) - said.logsumexp(dim=-1)).double().cpu()
                sure = [total + part.numpy() for total, part in zip(sure, likeliest.split(lengths), strict=True)]
            if mixing is not None:
                mean = mixing.mean(logits.float(), codebook)
                for item, total, part in zip(items, sums, mean.split(lengths), strict=True):
                    total[len(item.prompt) :] += part
        vectors = [total.cpu().numpy() for total in sums] or [None] * len(items)
        return list(map(Completed, done, vectors, sure if confidence else [None] * len(items)))
