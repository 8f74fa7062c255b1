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

    batch: scripts decoded together. width: rows fed a step, or None for 2 where a step
    costs the same however wide it is (a GPU, or few rows: reading the weights dominates)
    and 1 otherwise. forwards: steps of the model so far, prefixes included.
    """

    def __init__(self, model: ARModel, ordering: Ordering, decoder: Decoder, batch: int = 32, width: int | None = None):
        self.model, self.ordering, self.decoder = model.eval(), ordering, decoder
        self.batch, self.width = batch, width
        self.forwards = 0
        self.device = model.table.device
        sampled = model.sampled.cpu().numpy()
        states = ordering.states
        column = model.column.cpu()
        triggers = torch.tensor([state.trigger for state in states])
        self._allowed = self._to(np.stack([state.allowed[:, sampled] for state in states]))  # (states, S, O)
        self._trigger = torch.where(triggers >= 0, column[triggers.clamp(min=0)], NONE).to(self.device)
        self._own_row = torch.tensor([state.own_row for state in states], device=self.device)
        self._stream = torch.tensor(
            [0 if s.own_row or s.trigger < 0 else int(s.allowed[:, s.trigger].argmax()) for s in states],
            device=self.device,
        )
        codes = [name for name in ordering.vocabulary.sizes if name.startswith("codes")]
        self._codes = self._to(ordering.vocabulary.mask(*codes)[sampled])  # (O,)

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
        rows = self._tensors(scripts, keys)
        hidden, cache = self._prefill(rows, scripts)
        width = self.width or (2 if self.device.type == "cuda" or len(scripts) <= 4 else 1)
        look = 16 if self.device.type == "cuda" else 1
        reach = max(len(script.prefix) for script in scripts)
        results: list[Decoded | None] = [None] * len(scripts)
        step = 0
        while True:
            self._sample(rows, hidden)
            if step % look == 0:
                finished = rows["done"]
                if bool(finished.all()) or int(finished.sum()) * 2 > len(finished):
                    self._collect(rows, finished, scripts, results)
                    if bool(finished.all()):
                        return results
                    left = torch.nonzero(~finished)[:, 0]
                    rows = {name: value[left] for name, value in rows.items()}
                    cache.keys, cache.values = cache.keys[:, left], cache.values[:, left]
                reach = int(rows["slot"].max())
            hidden = self._feed(rows, cache, width, reach + width)
            reach += width
            step += 1

    def _tensors(self, scripts: list[DecodingScript], keys: list[int]) -> dict[str, Tensor]:
        """The scripts and their state, padded; every tensor has the batch in front."""
        count = len(scripts)
        segments = np.array([len(script.state) for script in scripts])
        most_segments = int(segments.max())
        most_forced = max(len(script.forced) for script in scripts)
        size = max(script.bound for script in scripts)
        streams = self.ordering.streams
        forced = np.full((count, most_forced + 1, streams), NONE)
        offset = np.zeros((count, most_segments + 2), np.int64)
        hold = np.full((count, most_segments + 1, streams), NONE)
        table = np.zeros((count, most_segments + 1, 3), np.int64)  # state, least, most
        for b, script in enumerate(scripts):
            k = segments[b]
            forced[b, : len(script.forced)] = script.forced
            offset[b, : k + 2] = script.offset
            offset[b, k + 2 :] = script.offset[-1]
            hold[b, :k] = script.hold
            table[b, :k] = np.stack([script.state, script.least, script.most], axis=1)
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
            "offset": offset,
            "hold": hold,
            "table": table,
            "history": history,
            "segments": segments,
            "key": np.array(keys, np.int64),
            "text_len": np.array([script.text_len for script in scripts]),
            "segment": number,
            "next_forced": number,
            "count": np.array([script.count for script in scripts]),
            "position": np.array([script.next_position for script in scripts]),
            "slot": np.array([len(script.prefix) for script in scripts]),
            "samples": number,
            "cuts": number,
            "last_cut": number > 0,
            "ready": np.array([script.offset[1] == 0 for script in scripts]),
            "done": number > 0,
            "has_token": number > 0,
            "token": np.full((count, streams), NONE),
            "holds_frame": number > 0,
            "rows": np.full((count, size + 1, streams), NONE, np.int32),
            "length": number,
        }
        return {name: self._to(value.copy()) for name, value in state.items()}

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
        segment = rows["segment"]
        state, least, most = rows["table"][batch, segment].unbind(1)  # (B,) each
        trigger, own_row, stream = self._trigger[state], self._own_row[state], self._stream[state]
        active = rows["ready"] & ~rows["done"]
        last = rows["count"] + (~own_row).long()  # rows of the segment, if its trigger came now
        triggered = trigger >= 0
        force = triggered & (last >= most)
        early = triggered & (last < least) & ~force

        logits = self.model.logits(hidden).float()  # (B, S, O)
        allowed = self._allowed[state].clone()  # (B, S, O)
        column = trigger.clamp(min=0)
        allowed[batch, :, column] &= ~early[:, None]
        logits = logits.masked_fill(~allowed, float("-inf"))
        streams = self.ordering.streams
        numbers = uniforms(rows["key"], rows["samples"], 2 * streams)  # (B, 2 S)
        chosen = torch.stack(
            [
                self.decoder(logits[:, s], numbers[:, 2 * s : 2 * s + 2], rows["history"][:, s], self._codes)
                for s in range(streams)
            ],
            dim=1,
        )  # (B, S)
        chosen[batch, stream] = torch.where(force, column, chosen[batch, stream])
        hold = rows["hold"][batch, segment]  # (B, S)
        holds_trigger = force[:, None] & (torch.arange(streams, device=self.device) == stream[:, None])
        ids = torch.where((hold >= 0) & ~holds_trigger, hold, self.model.sampled[chosen])
        own_trigger = triggered & own_row & (chosen[:, 0] == trigger)
        beside = triggered & ~own_row & (chosen == trigger[:, None]).any(dim=1)
        ids[:, 1:] = torch.where(own_trigger[:, None], NONE, ids[:, 1:])

        holds_frame = active & ~own_trigger
        if self.decoder.history:
            shifted = torch.cat([rows["history"][:, :, 1:], chosen[:, :, None]], dim=2)
            is_code = holds_frame[:, None] & self._codes[chosen] & (hold < 0)
            rows["history"] = torch.where(is_code[:, :, None], shifted, rows["history"])
        count = rows["count"] + holds_frame.long()
        ended = active & (own_trigger | beside | (~triggered & (count >= most)))
        cut = active & force
        rows["last_cut"] = torch.where(active, cut, rows["last_cut"])
        rows["cuts"] += cut.long()
        rows["count"] = torch.where(ended, 0, count)
        rows["segment"] = segment + ended.long()
        rows["samples"] += active.long()
        rows["done"] = rows["segment"] >= rows["segments"]
        rows["token"] = ids
        rows["has_token"] = active
        rows["holds_frame"] = holds_frame
        self._record(rows, batch, ids, active)

    def _feed(self, rows: dict[str, Tensor], cache, width: int, reach: int) -> Tensor:
        """Feed each live row its sampled token and forced rows, up to `width`: (B, D) of the last."""
        batch = torch.arange(len(rows["slot"]), device=self.device)
        live = ~rows["done"]
        end = rows["offset"][batch, rows["segment"] + 1]
        ids, positions = [], []
        fed = torch.zeros_like(rows["slot"])
        for w in range(width):
            token = live & rows["has_token"] if w == 0 else torch.zeros_like(live)
            force = live & ~token & (rows["next_forced"] < end)
            forced = rows["forced"][batch, rows["next_forced"]]  # (B, S)
            row = torch.where(token[:, None], rows["token"], torch.where(force[:, None], forced, NONE))
            ids.append(row)
            positions.append(rows["position"].clone())
            self._record(rows, batch, forced, force)
            rows["next_forced"] += force.long()
            used = token | force
            rows["position"] += (used if self.ordering.positions == "token" else token & rows["holds_frame"]).long()
            fed += used.long()
        if reach > cache.length:
            self._grow(cache, reach + HEADROOM)
        self.forwards += 1
        hidden = self.model.step(
            torch.stack(ids, dim=1), torch.stack(positions, dim=1), cache, rows["slot"], rows["text_len"], reach
        )  # (B, W, D)
        rows["slot"] += fed
        rows["has_token"] = torch.zeros_like(live)
        rows["ready"] = live & (rows["next_forced"] == end)
        return hidden[batch, (fed - 1).clamp(min=0)]

    def _record(self, rows: dict[str, Tensor], batch: Tensor, ids: Tensor, where: Tensor) -> None:
        old = rows["rows"][batch, rows["length"]]
        rows["rows"][batch, rows["length"]] = torch.where(where[:, None], ids.to(torch.int32), old)
        rows["length"] += where.long()

    def _grow(self, cache, length: int) -> None:
        extra = length - cache.length
        cache.keys = torch.nn.functional.pad(cache.keys, (0, 0, 0, extra))
        cache.values = torch.nn.functional.pad(cache.values, (0, 0, 0, extra))

    def _collect(self, rows: dict[str, Tensor], finished: Tensor, scripts: list, results: list) -> None:
        """Write what is finished into `results`, at its place in the batch as it began."""
        wanted = ("row", "rows", "length", "cuts", "last_cut")
        at = {name: rows[name][finished].cpu().numpy() for name in wanted}
        for i in range(len(at["row"])):
            number, length = int(at["row"][i]), int(at["length"][i])
            script = scripts[number]
            closing = script.forced[script.offset[-2] : script.offset[-1]]
            ids = np.concatenate([script.prefix, at["rows"][i, :length], closing]).astype(np.int32)
            results[number] = Decoded(
                ids, int(at["cuts"][i]), bool(at["last_cut"][i]), len(script.state), len(ids) - len(script.prefix)
            )

    def _to(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
