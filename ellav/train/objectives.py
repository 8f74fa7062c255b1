"""What is learned: how utterances become batches, and the loss and figures of a batch.

An objective is the module that the trainer wraps. `arrange` and `collate` run in the
background on numpy; `forward` returns the sum of the loss over target tokens, so that the
trainer can divide by the targets of the whole global batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ellav.errors import UserError
from ellav.models.ar import ARModel
from ellav.models.device import sent
from ellav.models.nar import NARModel
from ellav.models.transformer import ROWS
from ellav.plugins.faults import at_work_on, plugin_fault
from ellav.plugins.orderings import Ordering
from ellav.types import NONE, TokenSequence, Utterance

Figures = dict[str, tuple[Tensor, Tensor]]
"""Name -> (sum, count), so that batches and processes can be added up."""


@dataclass(frozen=True)
class Batch:
    """Packed sequences. names: of their utterances. lengths: rows of each, together `tokens`.
    targets: tokens with loss. frames: codec frames. tensors: what the objective computes with. What the host has to
    know stays with it: text_lens, rows of each text prefix; per_book, rows of each codebook, padding included."""

    names: list[str]
    lengths: list[int]
    tokens: int
    targets: int
    frames: int
    tensors: dict[str, Tensor]
    text_lens: list[int] | None = None
    per_book: list[int] | None = None

    def to(self, device: torch.device) -> Batch:
        """The same batch with its tensors on `device`; nobody waits for what a GPU fetches."""
        here = {name: tensor.device.type == "cpu" for name, tensor in self.tensors.items()}
        moved = {k: sent(v, device) if here[k] else v.to(device) for k, v in self.tensors.items()}
        return replace(self, tensors=moved)


class Objective(Protocol):
    """What the trainer trains: an nn.Module with the model as `model`."""

    model: nn.Module

    def arrange(self, utterance: Utterance, rng: np.random.Generator):
        """One sequence, with a length in tokens."""

    def collate(self, items: list) -> Batch:
        """A batch of several."""

    def __call__(self, batch: Batch, measure: bool = False) -> tuple[Tensor, Figures]:
        """Sum of the loss over target tokens; figures, only if `measure`."""


@dataclass(frozen=True)
class Arranged:
    """Token rows of one utterance."""

    name: str
    frames: int
    rows: TokenSequence

    def __len__(self) -> int:
        return len(self.rows)


class ARObjective(nn.Module):
    """Next-row prediction over an ordering's token rows."""

    def __init__(self, model: ARModel, ordering: Ordering):
        super().__init__()
        self.model, self.ordering = model, ordering
        self.columns = model.column.numpy().copy()
        self.triggers = sorted({int(self.columns[s.trigger]) for s in ordering.states if s.trigger >= 0})

    def arrange(self, utterance: Utterance, rng: np.random.Generator) -> Arranged:
        with at_work_on(f"utterance {utterance.id!r}"):
            try:
                return Arranged(utterance.id, utterance.frames, self.ordering.arrange(utterance))
            except (ValueError, UserError) as error:
                reason = plugin_fault(error) or error
                raise UserError(f"utterance {utterance.id!r} cannot be arranged: {reason}") from error

    def collate(self, items: list[Arranged]) -> Batch:
        targets = np.concatenate([item.rows.targets for item in items])
        columns = np.where(targets >= 0, self.columns[targets], -100)
        if (columns == -1).any():
            name = next(i.name for i in items if (self.columns[i.rows.targets[i.rows.targets >= 0]] < 0).any())
            raise UserError(f"ordering {self.ordering.name}: utterance {name!r} has targets that are never sampled")
        rows = np.flatnonzero((columns >= 0).any(axis=1))
        more = -len(rows) % ROWS  # rows without loss: see there
        tensors = {
            "ids": torch.from_numpy(np.concatenate([item.rows.ids for item in items]).astype(np.int64)),
            "positions": torch.from_numpy(np.concatenate([item.rows.positions for item in items]).astype(np.int64)),
            "rows": torch.from_numpy(np.pad(rows, (0, more))),
            "drawn": torch.from_numpy(_padded(targets[rows], more, NONE)),
            "columns": torch.from_numpy(_padded(columns[rows], more, -100)),
        }
        return Batch(
            [item.name for item in items],
            [len(item) for item in items],
            len(targets),
            int((columns >= 0).sum()),
            sum(item.frames for item in items),
            tensors,
            [item.rows.prefix_len for item in items],
        )

    def forward(self, batch: Batch, measure: bool = False) -> tuple[Tensor, Figures]:
        t = batch.tensors
        hidden = self.model(t["ids"], t["positions"], batch.lengths, batch.text_lens)
        logits = self.model.logits(hidden[t["rows"]], t["drawn"]).float()  # (n, S, O)
        loss = F.cross_entropy(logits.flatten(0, 1), t["columns"].flatten(), reduction="sum")
        if not measure:
            return loss, {}
        figures = {"loss": (loss.detach(), _count(t["columns"] >= 0))}
        rank = ranks(logits.detach(), t["columns"])
        is_trigger = torch.isin(t["columns"], torch.tensor(self.triggers, device=rank.device))
        is_code = (t["columns"] >= 0) & ~is_trigger
        for stream in range(self.model.streams):
            hits = (rank[:, stream] < 10) & is_code[:, stream]
            figures[f"top10/stream{stream + 1}"] = (_count(hits), _count(is_code[:, stream]))
        figures["trigger"] = (_count((rank == 0) & is_trigger), _count(is_trigger))
        return loss, figures


@dataclass(frozen=True)
class Levelled:
    """The rows of one utterance at one level. rows, targets: (n,) where the loss is, and on what."""

    name: str
    frames: int
    codebook: int
    ids: np.ndarray
    positions: np.ndarray
    rows: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.ids)


class NARObjective(nn.Module):
    """One random further codebook an utterance, after a prompt that is its own beginning.

    prompt: the least and the most frames of the prompt; never more than half the utterance. level_power: the codebook
    after l - 1 other ones of the model is drawn in proportion to l ** -level_power. soft: (Q, size, size), what
    is learned for each code, as `ellav.train.soft_codes.soft_codes` tells it, or None for the code alone.
    """

    def __init__(self, model: NARModel, prompt: tuple[int, int], level_power: float = 0.0, soft: Tensor | None = None):
        super().__init__()
        self.model, self.prompt = model, prompt
        shares = np.arange(1.0, model.codebooks - model.known + 1) ** -level_power
        self.reach = np.cumsum(shares / shares.sum())[:-1]  # a number from 0 to 1 draws the codebook
        self.register_buffer("soft", soft, persistent=False)

    def arrange(self, utterance: Utterance, rng: np.random.Generator) -> Levelled:
        model, frames = self.model, utterance.frames
        prompt = min(int(rng.integers(self.prompt[0], self.prompt[1] + 1)), frames // 2)
        codebook = model.known + int(np.searchsorted(self.reach, rng.random(), side="right"))
        made = model.rows(utterance.phones, utterance.durations, utterance.codes, prompt, codebook)
        rows = np.arange(made.first + prompt, len(made))
        targets = utterance.codes[prompt:, codebook].astype(np.int64)
        return Levelled(utterance.id, frames, codebook, made.ids, made.positions, rows, targets)

    def collate(self, items: list[Levelled]) -> Batch:
        items = sorted(items, key=lambda item: item.codebook)
        lengths = [len(item) for item in items]
        starts = np.cumsum(lengths) - lengths
        rows, targets, per_book = [], [], [0] * self.model.codebooks
        for codebook in range(self.model.known, self.model.codebooks):
            own = [(i, start) for i, start in zip(items, starts, strict=True) if i.codebook == codebook]
            count = sum(len(item.rows) for item, _ in own)
            more = -count % ROWS  # rows without loss: see there
            rows += [*(item.rows + start for item, start in own), np.zeros(more, np.int64)]
            targets += [*(item.targets for item, _ in own), np.full(more, -100)]
            per_book[codebook] = count + more
        tensors = {
            "ids": np.concatenate([item.ids for item in items]),
            "positions": np.concatenate([item.positions for item in items]),
            "level": np.repeat([item.codebook - self.model.known for item in items], lengths),
            "rows": np.concatenate(rows),
            "targets": np.concatenate(targets),
        }
        tensors = {name: torch.from_numpy(value) for name, value in tensors.items()}
        count = sum(len(item.rows) for item in items)
        frames = sum(item.frames for item in items)
        return Batch([i.name for i in items], lengths, sum(lengths), count, frames, tensors, per_book=per_book)

    def forward(self, batch: Batch, measure: bool = False) -> tuple[Tensor, Figures]:
        t = batch.tensors
        hidden = self.model(t["ids"], t["positions"], batch.lengths, t["level"])
        parts = zip(hidden[t["rows"]].split(batch.per_book), t["targets"].split(batch.per_book), strict=True)
        losses, figures = [], {}
        for codebook, (rows, targets) in enumerate(parts):
            if codebook < self.model.known or not (measure or len(rows)):
                continue
            logits = self.model.logits(rows, codebook).float()
            losses.append(self._loss(logits, targets, codebook))
            if measure:
                real = targets >= 0
                hits = (ranks(logits.detach(), targets) < 10) & real
                figures[f"top10/codebook{codebook + 1}"] = (_count(hits), _count(real))
                figures[f"loss/codebook{codebook + 1}"] = (losses[-1].detach(), _count(real))
        loss = torch.stack(losses).sum()
        if measure:
            figures["loss"] = (loss.detach(), torch.tensor(float(batch.targets), device=loss.device))
        return loss, figures

    def _loss(self, logits: Tensor, targets: Tensor, codebook: int) -> Tensor:
        """Sum over the rows (n, size) with targets (n,), -100 where there is none."""
        if self.soft is None or not self.training:
            return F.cross_entropy(logits, targets, reduction="sum")
        wanted = self.soft[codebook][targets.clamp(min=0)] * (targets >= 0)[:, None]  # (n, size)
        return F.cross_entropy(logits, wanted, reduction="sum")


def ranks(logits: Tensor, targets: Tensor) -> Tensor:
    """How many ids score higher than the target: logits (..., O), targets (...)."""
    score = logits.gather(-1, targets.clamp(min=0)[..., None])
    return (logits > score).sum(-1)


def _padded(rows: np.ndarray, more: int, value: int) -> np.ndarray:
    """(n, S) -> (n + more, S) int64, `value` in what is added."""
    return np.pad(rows, ((0, more), (0, 0)), constant_values=value).astype(np.int64)


def _count(mask: Tensor) -> Tensor:
    return mask.sum().float()
