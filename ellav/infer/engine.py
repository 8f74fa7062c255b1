"""Fast decoding of scripts: ragged batches, one cache, per-row pointers as tensors.

The scripts of a batch become padded tensors, and the state of each row (segment, place
among the forced rows, counts) is a tensor too. One step feeds up to `width` rows to every
sequence, so that a trigger and the forced row after it share a forward, then samples
where nothing forced is left. Nothing in a step reads a value back from the device; how
far the batch has come is looked at every `look` steps.
`ellav.testing.drive` says in plain Python what this computes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ellav.infer.uniforms import uniforms, utterance_key
from ellav.models.ar import ARModel
from ellav.plugins.decoders import Decoder
from ellav.plugins.orderings import Ordering
from ellav.types import NONE, DecodingScript

HEADROOM = 256
"""Cache slots added when a batch outgrows its cache."""

COLUMNS, FORCED_END, NEVER = 8, 7, 2**30
"""Of `Engine._segments`: its columns, which one says where a segment's forced rows end, and
a count that no segment reaches."""


class State(NamedTuple):
    """Of a state of the ordering: its trigger as a column of the logits or NONE, whether that
    is a row of its own, and the stream it is sampled in."""

    trigger: int
    own_row: bool
    stream: int


@dataclass(frozen=True)
class Decoded:
    """ids: (L, S) complete rows, closing rows included. cuts: segments ended by force.
    last_cut: whether the last segment was. segments: K. steps: rows after the prefix."""

    ids: np.ndarray
    cuts: int
    last_cut: bool
    segments: int
    steps: int


class Engine:
    """Decodes scripts of `ordering` with `model` and `decoder`.

    batch: scripts decoded together. width: rows fed a step, or None for 2 on a GPU, where a
    step costs the same, and 1 on a CPU, where two rows take half as long again as one.
    forwards: steps of the model so far, prefixes included.
    """

    def __init__(self, model: ARModel, ordering: Ordering, decoder: Decoder, batch: int = 32, width: int | None = None):
        self.model, self.ordering, self.decoder = model.eval(), ordering, decoder
        self.batch, self.width = batch, width
        self.forwards = 0
        self.device = model.table.device
        sampled = model.sampled.cpu().numpy()
        self._states = [
            State(
                trigger=int(model.column[state.trigger]) if state.trigger >= 0 else NONE,
                own_row=state.own_row,
                stream=0 if state.own_row or state.trigger < 0 else int(state.allowed[:, state.trigger].argmax()),
            )
            for state in ordering.states
        ]
        allowed = np.stack([state.allowed[:, sampled] for state in ordering.states])  # (states, S, O)
        early = allowed.copy()
        for number, state in enumerate(self._states):
            early[number, :, state.trigger] &= state.trigger < 0
        # What is added to the logits in each state, then the same with its trigger forbidden too.
        barred = ~self._to(np.concatenate([allowed, early]))
        self._bias = torch.zeros(barred.shape, device=self.device).masked_fill_(barred, float("-inf"))
        codes = [name for name in ordering.vocabulary.sizes if name.startswith("codes")]
        self._codes = self._to(ordering.vocabulary.mask(*codes)[sampled])  # (O,)
        with torch.inference_mode():
            self._head = model.head()

    @torch.inference_mode()
    def decode(
        self,
        utterances: list[str],
        scripts: list[DecodingScript],
        seed: int = 0,
        done: Callable[[int], None] | None = None,
    ) -> list[Decoded]:
        """Run scripts, each named by its utterance id; later stages (`next`) included.

        done is called with the number of scripts just finished.
        """
        results: list[Decoded | None] = [None] * len(scripts)
        waiting = {i: script for i, script in enumerate(scripts)}
        while waiting:
            order = sorted(waiting, key=lambda i: len(waiting[i].prefix) + waiting[i].bound)
            later = {}
            for first in range(0, len(order), self.batch):
                chosen = order[first : first + self.batch]
                made = self._decode_batch([utterances[i] for i in chosen], [waiting[i] for i in chosen], seed)
                for i, decoded in zip(chosen, made, strict=True):
                    results[i] = decoded
                    following = waiting[i].next(decoded.ids) if waiting[i].next else None
                    if following is not None:
                        later[i] = following
                if done:
                    done(len(chosen))
            waiting = later
        return results

    def _decode_batch(self, utterances: list[str], scripts: list[DecodingScript], seed: int) -> list[Decoded]:
        keys = [utterance_key(seed, utterance) for utterance in utterances]
        width = self.width or (2 if self.device.type == "cuda" else 1)
        rows = self._tensors(scripts, keys, width)
        hidden, cache = self._prefill(rows, scripts)
        look = 16 if self.device.type == "cuda" else 1
        reach = max(len(script.prefix) for script in scripts)
        results: list[Decoded | None] = [None] * len(scripts)
        step = 0
        while True:
            self._sample(rows, hidden)
            if step % look == 0:
                finished = rows["done"]
                count = int(finished.sum())
                if count * 2 > len(finished):
                    self._collect(rows, finished, scripts, results)
                    if count == len(finished):
                        return results
                    left = torch.nonzero(~finished)[:, 0]
                    rows = {name: value[left] for name, value in rows.items()}
                    cache.keys, cache.values = cache.keys[:, left], cache.values[:, left]
                reach = int(rows["slot"].max())
            hidden = self._feed(rows, cache, width, reach + width)
            reach += width
            step += 1

    def _tensors(self, scripts: list[DecodingScript], keys: list[int], width: int) -> dict[str, Tensor]:
        """The scripts and their state, padded; every tensor has the batch in front."""
        count = len(scripts)
        segments = np.array([len(script.state) for script in scripts])
        most_forced = max(len(script.forced) for script in scripts) + width
        samples = max(script.bound for script in scripts) + 1
        size = max(len(script.prefix) + script.bound for script in scripts) + width
        streams = self.ordering.streams
        forced = np.full((count, most_forced, streams), NONE)
        table = np.zeros((count, int(segments.max()) + 1, COLUMNS + streams), np.int64)
        for b, script in enumerate(scripts):
            forced[b, : len(script.forced)] = script.forced
            k = segments[b]
            table[b, :k] = self._segments(script)
            table[b, k:, FORCED_END] = NONE  # the closing rows are nobody's to feed
        history = np.full((count, streams, self.decoder.history), NONE)
        column = self.model.column.cpu().numpy()
        for b, script in enumerate(scripts if self.decoder.history else []):
            for s in range(streams):
                heard = column[script.prefix[:, s][script.prefix[:, s] >= 0]]
                heard = heard[(heard >= 0) & self._codes.cpu().numpy()[heard]][-self.decoder.history :]
                history[b, s, self.decoder.history - len(heard) :] = heard
        number = np.zeros(count, np.int64)
        state = {
            "row": np.arange(count),
            "forced": forced,
            "table": table,
            "history": history,
            "segments": segments,
            "text_len": np.array([script.text_len for script in scripts]),
            "segment": number,
            "now": table[:, 0],
            "next_forced": number,
            "count": np.array([script.count for script in scripts]),
            "position": np.array([script.next_position for script in scripts]),
            "slot": np.array([len(script.prefix) for script in scripts]),
            "samples": number,
            "cuts": number,
            "last_cut": number > 0,
            "ready": table[:, 0, FORCED_END] == 0,
            "done": number > 0,
            "has_token": number > 0,
            "token": np.full((count, streams), NONE),
            "holds_frame": number > 0,
            "ids": np.full((count, size, streams), NONE),
        }
        rows = {name: self._to(value.copy()) for name, value in state.items()}
        draws = torch.arange(samples, device=self.device).repeat(count)
        each = self._to(np.array(keys, np.int64)).repeat_interleave(samples)
        rows["uniforms"] = uniforms(each, draws, 2 * streams).view(count, samples, 2 * streams)
        return rows

    def _segments(self, script: DecodingScript) -> np.ndarray:
        """(K, COLUMNS + S): what a step has to know of each segment, then its held ids."""
        state = np.asarray(script.state)
        trigger, own_row, stream = (np.array([getattr(s, name) for s in self._states])[state] for name in State._fields)
        beside = (~own_row).astype(np.int64)  # a trigger beside a code counts as a row
        force_at = np.where(trigger >= 0, script.most - beside, NEVER)
        early_below = np.where(trigger >= 0, np.minimum(script.least - beside, force_at), NONE)
        end_at = np.where(trigger >= 0, NEVER, script.most)
        columns = [state, trigger, own_row, stream, early_below, force_at, end_at, script.offset[1:-1]]
        return np.concatenate([np.stack(columns, axis=1), script.hold], axis=1)

    def _prefill(self, rows: dict[str, Tensor], scripts: list[DecodingScript]):
        """All prefixes in one padded step: the hidden state (B, D) at each one's end."""
        longest = max(len(script.prefix) for script in scripts)
        ids = np.full((len(scripts), longest, self.ordering.streams), NONE, np.int64)
        positions = np.zeros((len(scripts), longest), np.int64)
        for b, script in enumerate(scripts):
            ids[b, : len(script.prefix)] = script.prefix
            positions[b, : len(script.prefix)] = script.positions
        cache = self.model.cache(len(scripts), longest + HEADROOM, self.model.table.dtype)
        start = torch.zeros(len(scripts), dtype=torch.int64, device=self.device)
        self.forwards += 1
        hidden = self.model.step(self._to(ids), self._to(positions), cache, start, rows["text_len"], longest)
        return hidden[torch.arange(len(scripts), device=self.device), rows["slot"] - 1], cache

    def _sample(self, rows: dict[str, Tensor], hidden: Tensor) -> None:
        """Sample where a row is ready, and advance its pointers. hidden: (B, D)."""
        batch = torch.arange(len(hidden), device=self.device)
        streams = self.ordering.streams
        state, trigger, own_row, stream, early_below, force_at, end_at, _ = rows["now"][:, :COLUMNS].unbind(1)
        hold = rows["now"][:, COLUMNS:]  # (B, S)
        active, count = rows["ready"], rows["count"]
        force = count >= force_at
        early = count < early_below

        logits = self.model.logits(hidden, self._head).float()  # (B, S, O)
        logits = logits + self._bias[state + early * len(self._states)]
        numbers = rows["uniforms"][batch, rows["samples"]]  # (B, 2 S)
        chosen = torch.stack(
            [
                self.decoder(logits[:, s], numbers[:, 2 * s : 2 * s + 2], rows["history"][:, s], self._codes)
                for s in range(streams)
            ],
            dim=1,
        )  # (B, S)
        forced = force[:, None] & (torch.arange(streams, device=self.device) == stream[:, None])
        chosen = torch.where(forced, trigger[:, None], chosen)
        held = (hold >= 0) & ~forced
        ids = torch.where(held, hold, self.model.sampled[chosen])
        triggered = chosen == trigger[:, None]  # (B, S)
        own_trigger = triggered[:, 0] & (own_row > 0)
        ids[:, 1:].masked_fill_(own_trigger[:, None], NONE)

        holds_frame = active & ~own_trigger
        if self.decoder.history:
            shifted = torch.cat([rows["history"][:, :, 1:], chosen[:, :, None]], dim=2)
            is_code = holds_frame[:, None] & self._codes[chosen] & (hold < 0)
            rows["history"] = torch.where(is_code[:, :, None], shifted, rows["history"])
        count = count + holds_frame
        beside = triggered.any(dim=1) & (own_row == 0)
        ended = active & (own_trigger | beside | (count >= end_at))
        rows["last_cut"] = torch.where(active, force, rows["last_cut"])
        rows["cuts"] += active & force
        rows["count"] = count.masked_fill(ended, 0)
        rows["segment"] += ended
        rows["samples"] += active
        rows["done"] = rows["segment"] >= rows["segments"]
        rows["token"] = torch.where(active[:, None], ids, rows["token"])
        rows["has_token"] = active & ~rows["done"]
        rows["holds_frame"] = holds_frame
        rows["now"] = rows["table"][batch, rows["segment"]]

    def _feed(self, rows: dict[str, Tensor], cache, width: int, reach: int) -> Tensor:
        """Feed each live row its sampled token and forced rows, up to `width`: (B, D) of the last."""
        batch = torch.arange(len(rows["slot"]), device=self.device)
        places = torch.arange(width, device=self.device)
        token, end = rows["has_token"], rows["now"][:, FORCED_END]
        next_forced = (rows["next_forced"] - token.long())[:, None] + places  # (B, W), a place before for the token
        forced = (next_forced < end[:, None]) & (next_forced >= rows["next_forced"][:, None])
        ids = rows["forced"][batch[:, None], next_forced].masked_fill_(~forced[:, :, None], NONE)  # (B, W, S)
        ids[:, 0] = torch.where(token[:, None], rows["token"], ids[:, 0])
        count = forced.sum(dim=1)
        fed = count + token
        positions = rows["position"][:, None].expand(-1, width)  # (B, W)
        if self.ordering.positions == "token":
            positions = positions + places
            rows["position"] = rows["position"] + fed
        else:
            moved = (token & rows["holds_frame"]).long()
            positions = positions + moved[:, None] * (places > 0)
            rows["position"] = rows["position"] + moved
        # What is written past the end of what was fed is overwritten by the next step.
        slots = batch[:, None] * rows["ids"].shape[1] + rows["slot"][:, None] + places
        rows["ids"].view(-1, ids.shape[-1]).index_copy_(0, slots.flatten(), ids.flatten(0, 1))
        if reach > cache.length:
            self._grow(cache, reach + HEADROOM)
        self.forwards += 1
        hidden = self.model.step(ids, positions, cache, rows["slot"], rows["text_len"], reach)  # (B, W, D)
        rows["slot"] = rows["slot"] + fed
        rows["next_forced"] = rows["next_forced"] + count
        rows["ready"] = rows["next_forced"] == end
        return hidden[batch, (fed - 1).clamp(min=0)]

    def _grow(self, cache, length: int) -> None:
        extra = (0, 0, 0, length - cache.length)
        cache.keys = torch.nn.functional.pad(cache.keys, extra)
        cache.values = torch.nn.functional.pad(cache.values, extra)

    def _collect(self, rows: dict[str, Tensor], finished: Tensor, scripts: list, results: list) -> None:
        """Write what is finished into `results`, at its place in the batch as it began."""
        wanted = ("row", "ids", "slot", "token", "cuts", "last_cut")
        at = {name: rows[name][finished].cpu().numpy() for name in wanted}
        for i, number in enumerate(at["row"].tolist()):
            script = scripts[number]
            prefix = len(script.prefix)
            fed = at["ids"][i, prefix : at["slot"][i]]
            closing = script.forced[script.offset[-2] : script.offset[-1]]
            ids = np.concatenate([script.prefix, fed, at["token"][i : i + 1], closing]).astype(np.int32)
            results[number] = Decoded(
                ids, int(at["cuts"][i]), bool(at["last_cut"][i]), len(script.state), len(ids) - prefix
            )

    def _to(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
