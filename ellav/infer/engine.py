"""Fast decoding of scripts: what a session of slots needs to know of model, ordering and decoder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ellav.infer.graphs import Graphs, cuda_graphs
from ellav.infer.session import Decoded, Session
from ellav.models.ar import ARModel
from ellav.plugins.decoders import Decoder
from ellav.plugins.orderings import Ordering
from ellav.types import NONE, DecodingScript

NEVER = 2**30
"""A count that no segment reaches."""


class State(NamedTuple):
    """Of a state of the ordering: its trigger as a column of the logits or NONE, whether that
    is a row of its own, and the stream it is sampled in."""

    trigger: int
    own_row: bool
    stream: int


class Engine:
    """Decodes scripts of `ordering` with `model` and `decoder`.

    batch: scripts decoded together. width: rows fed a step, or None for 2; but on a CPU, where a few more rows take
    longer, a session of few scripts feeds 2 only where each of them has so many.
    quantize: "int8" rounds weights to 8 bits, on a CPU only. graphs: whether steps on a GPU are
    captured as CUDA graphs.
    forwards: steps of the model so far, prefixes included. The model's weights are copied:
    make a new engine for changed ones.
    """

    def __init__(
        self,
        model: ARModel,
        ordering: Ordering,
        decoder: Decoder,
        batch: int = 32,
        width: int | None = None,
        quantize: str = "none",
        graphs: bool = True,
    ):
        self.model, self.ordering, self.decoder = model.eval(), ordering, decoder
        self.batch, self.device = batch, model.table.device
        self.width = width or 2
        self.looks = width is None and self.device.type == "cpu"
        """Whether a session looks, before each step, at what there is to sample and how many rows to feed."""
        self.forwards = 0
        self.quantize, self.graphs = quantize, graphs and self.device.type == "cuda"
        self.network = model.cached(torch.int8 if quantize == "int8" else None)
        sampled = model.sampled.cpu().numpy()
        self._column = model.column.cpu().numpy()
        self.states = [
            State(
                trigger=int(self._column[state.trigger]) if state.trigger >= 0 else NONE,
                own_row=state.own_row,
                stream=0 if state.own_row or state.trigger < 0 else int(state.allowed[:, state.trigger].argmax()),
            )
            for state in ordering.states
        ]
        allowed = np.stack([state.allowed[:, sampled] for state in ordering.states])  # (states, S, O)
        early = allowed.copy()
        for number, state in enumerate(self.states):
            early[number, :, state.trigger] &= state.trigger < 0
        # What is added to the logits in each state, then the same with its trigger forbidden too.
        barred = torch.from_numpy(~np.concatenate([allowed, early])).to(self.device)
        self.bias = torch.zeros(barred.shape, device=self.device).masked_fill_(barred, float("-inf"))
        self._is_code = ordering.vocabulary.mask(*ordering.vocabulary.code_ranges)[sampled]  # (O,)
        self.codes = torch.from_numpy(self._is_code).to(self.device)
        self.sampled = model.sampled
        self.numbers = torch.arange(ordering.streams, device=self.device)

    def open(self, capacity: int | None = None, confidence: bool = False) -> Session:
        """Begin decoding in `capacity` slots, or `batch` of them. confidence: whether it is told, see `Decoded`."""
        return Session(self, capacity or self.batch, confidence)

    def session_graphs(self) -> Graphs | None:
        """What captures the steps of one session; None where each is done as it comes."""
        return cuda_graphs(self.device) if self.graphs else None

    def decode(
        self,
        utterances: list[str],
        scripts: list[DecodingScript],
        seed: int | Sequence[int] = 0,
        done: Callable[[int], None] | None = None,
        confidence: bool = False,
    ) -> list[Decoded]:
        """Run scripts, each named by its utterance id; later stages (`next`) included.

        seed: of all, or one for each. done is called with the number of scripts just finished. confidence: whether it
        is told, see `Decoded`. Raises ValueError where the end of a script is not known.
        """
        if any(script.more for script in scripts):
            raise ValueError("a script goes on that nobody can extend; decode it in a session")
        seeds = seed if isinstance(seed, Sequence) else [seed] * len(scripts)
        # Those of a like length beside each other, and the longest first: so few slots wait for the last one.
        order = sorted(range(len(scripts)), key=lambda i: -len(scripts[i].prefix) - scripts[i].bound)
        session = self.open(max(1, min(self.batch, len(scripts))), confidence)
        number = {session.add(utterances[i], scripts[i], seeds[i]): i for i in order}
        results: list[Decoded | None] = [None] * len(scripts)
        while session.busy:
            session.step()
            taken = session.take()
            for ticket, decoded in taken.items():
                results[number[ticket]] = decoded
            if taken and done:
                done(len(taken))
        return results

    def segments(self, script: DecodingScript) -> np.ndarray:
        """(K, COLUMNS + S): what a step has to know of each segment, then its held ids."""
        state = np.asarray(script.state)
        trigger, own_row, stream = (np.array([getattr(s, name) for s in self.states])[state] for name in State._fields)
        beside = (~own_row).astype(np.int64)  # a trigger beside a code counts as a row
        force_at = np.where(trigger >= 0, script.most - beside, NEVER)
        early_below = np.where(trigger >= 0, np.minimum(script.least - beside, force_at), NONE)
        end_at = np.where(trigger >= 0, NEVER, script.most)
        columns = [state, trigger, own_row, stream, early_below, force_at, end_at, script.offset[1:-1]]
        return np.concatenate([np.stack(columns, axis=1), script.hold], axis=1)

    def heard(self, script: DecodingScript) -> np.ndarray:
        """(S, history): the latest codes of each stream in the prefix, as columns of the logits, newest last."""
        history = np.full((self.ordering.streams, self.decoder.history), NONE)
        for s, ids in enumerate(script.prefix.T):
            columns = self._column[ids[ids >= 0]]
            codes = columns[(columns >= 0) & self._is_code[columns]][-self.decoder.history :]
            history[s, self.decoder.history - len(codes) :] = codes
        return history
