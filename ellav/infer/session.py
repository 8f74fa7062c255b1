"""A session of slots: scripts are decoded side by side, and one that ends makes room for the next at once.

The state of each slot (segment, place among the forced rows, counts) is a row of tensors of
fixed shape (`ellav/infer/slots.py`). One step feeds up to `width` rows to every slot, so that a
trigger and the forced row after it share a forward, then samples where nothing forced is
left. Nothing in a step reads a value back from the device; what has ended is looked at every
`look` steps. So both parts of a step can be captured as CUDA graphs (`ellav/infer/graphs.py`): what they take from the
host is which slots they compute and how far into the cache they read. `ellav.testing.drive` says in plain Python what
this computes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ellav.infer.confidence import log_probability, mean_log_probability
from ellav.infer.slots import COLUMNS, FORCED_END, Slots
from ellav.infer.uniforms import utterance_key
from ellav.models.cached import SHORTEST, rounded
from ellav.types import NONE, DecodingScript

if TYPE_CHECKING:
    from ellav.infer.engine import Engine

HEADROOM = 256
"""Cache entries added when the cache has become too short."""

PREFILL = 8192
"""Rows of prefixes that are computed at once, where a single one is not longer."""

MANY = 4
"""Slots from which on a step that feeds two rows where any has them takes less time in all, on a CPU too."""


@dataclass(frozen=True)
class Decoded:
    """ids: (L, S) complete rows, closing rows included. cuts: segments ended by force, those left out that had to
    have so many rows. last_cut: whether the last segment was. segments: K. steps: rows after the prefix.
    confidence: mean log-probability that the model gives the codes that were sampled, of all
    stages; None where it was not asked for, or none were. log_probabilities: (n,) of each of them, in order; None where
    it was not asked for, and where codes are sampled side by side."""

    ids: np.ndarray
    cuts: int
    last_cut: bool
    segments: int
    steps: int
    confidence: float | None = None
    log_probabilities: np.ndarray | None = None


@dataclass
class _Job:
    number: int
    script: DecodingScript
    key: int
    so_far: tuple[np.ndarray, int] = (np.zeros(0), 0)  # log-probabilities and number of codes of the stages before
    waits: bool = False  # for the rest of its script: all that it says so far is decoded


class Session:
    """Decodes scripts with `engine` in `capacity` slots: `add` some, then `step` and `take` until none is left.

    A script's result depends on nothing but itself, its name and its seed: not on its slot, not on what is decoded,
    added or cancelled beside it. One whose end is not known yet (`more`) is decoded as far as it goes, keeps its slot,
    and becomes what it would have become at once, whenever `extend` tells the rest.

    confidence: whether `Decoded.confidence` is told.
    """

    def __init__(self, engine: Engine, capacity: int, confidence: bool = False):
        if capacity < 1:
            raise ValueError(f"capacity must be at least 1, not {capacity}")
        self.engine, self.capacity = engine, capacity
        self._device, self._network = engine.device, engine.network
        self._width, self._streams = engine.width, engine.ordering.streams
        self._look = 16 if self._device.type == "cuda" else 1
        self._waiting: deque[_Job] = deque()
        self._jobs: list[_Job | None] = [None] * capacity  # what each slot decodes
        self._reach = np.zeros(capacity, np.int64)  # cache entries of each slot, at most
        self._results: dict[int, Decoded] = {}
        self._added = self._steps = self._used = 0  # used: slots that a step computes, the first ones
        self._cache = None
        self._slots = Slots(engine, capacity, engine.width, confidence)
        self._rows = self._slots.rows
        self._numbers = torch.arange(max(capacity, self._width), device=self._device)
        self._hidden: Tensor | None = None
        self._graphs = engine.session_graphs()

    @property
    def busy(self) -> bool:
        """Whether there is something to decode: a script that waits for its own rest is not."""
        fills = bool(self._waiting) and any(job is None for job in self._jobs)
        return fills or any(job is not None and not job.waits for job in self._jobs)

    def add(self, utterance: str, script: DecodingScript, seed: int = 0) -> int:
        """Decode a script as soon as a slot is free. Returns the number by which `take` and `cancel` know it."""
        self._added += 1
        self._waiting.append(_Job(self._added, script, utterance_key(seed, utterance)))
        return self._added

    @torch.inference_mode()
    def extend(self, number: int, script: DecodingScript) -> None:
        """Tell more of a script whose end was not known (`more`): `script` begins with all that it said.

        Raises ValueError where it does not (`DecodingScript.departs`), and for a number that is not decoded (any more).
        """
        jobs = [*self._jobs, *self._waiting]
        slot = next((i for i, job in enumerate(jobs) if job is not None and job.number == number), None)
        if slot is None:
            raise ValueError(f"script {number} is not decoded (any more)")
        job = jobs[slot]
        if field := job.script.departs(script):
            raise ValueError(f"`{field}` of script {number} does not go on with what it was")
        job.script, job.waits = script, False
        if slot < self.capacity:
            self._slots.extend(slot, script, job.key)

    def cancel(self, number: int) -> None:
        """Forget a script, wherever it is; one that is unknown or taken is no error."""
        self._waiting = deque(job for job in self._waiting if job.number != number)
        self._results.pop(number, None)
        for slot, job in enumerate(self._jobs):
            if job is not None and job.number == number:
                self._free(slot)

    def take(self) -> dict[int, Decoded]:
        """What has ended since it was last asked for, by number."""
        taken, self._results = self._results, {}
        return taken

    def peek(self, number: int) -> np.ndarray | None:
        """Rows (L, S) of a script that is being decoded, its prefix and what was fed so far, copied.

        None while it waits, and after it has ended or was cancelled. Of an ordering of several stages, those of the
        stage that it is in. On a GPU this waits for the device.
        """
        for slot, job in enumerate(self._jobs):
            if job is not None and job.number == number:
                prefix = job.script.prefix
                fed = self._rows["ids"][slot, len(prefix) : int(self._rows["slot"][slot])].cpu().numpy()
                return np.concatenate([prefix, fed]).astype(np.int32)
        return None

    @torch.inference_mode()
    def step(self) -> None:
        """Fill free slots, then sample a row in each slot that is ready, and feed up to `width` rows to each."""
        self._fill()
        if not self._used or not self.busy:
            return
        if self.engine.looks and not self._rows["ready"][: self._used].any():
            self._rows["has_token"][: self._used] = False
        else:
            self._sample()
        self._steps += 1
        if self._steps % self._look == 0 or self._reach[: self._used].max() + self._width > self._cache.length:
            self._collect()
            if not self._used:
                return
        self._feed()

    def _fill(self) -> None:
        """Give free slots to scripts that wait. Prefixes are computed together, about PREFILL rows at once."""
        free = [slot for slot, job in enumerate(self._jobs) if job is None]
        while free and self._waiting:
            slots, rows = [], 0
            while free and self._waiting and (not slots or rows + len(self._waiting[0].script.prefix) <= PREFILL):
                slot, job = free.pop(0), self._waiting.popleft()
                self._jobs[slot] = job
                self._slots.write(slot, job.script, job.key)
                self._reach[slot] = len(job.script.prefix)
                slots.append(slot)
                rows += len(job.script.prefix)
            self._prefill(slots)
            self._used = max(self._used, max(slots) + 1)

    def _prefill(self, slots: list[int]) -> None:
        scripts = [self._jobs[slot].script for slot in slots]
        ids = self._slots.to_device(np.concatenate([script.prefix for script in scripts]).astype(np.int64))
        positions = self._slots.to_device(np.concatenate([script.positions for script in scripts]).astype(np.int64))
        lengths = [len(script.prefix) for script in scripts]
        if self._cache is None:
            self._cache = self._network.cache(self.capacity, max(lengths) + HEADROOM)
        elif max(lengths) + self._width > self._cache.length:
            self._cache.grow(max(lengths) + HEADROOM)
        self.engine.forwards += 1
        text_lens = [script.text_len for script in scripts]
        hidden = self._network.prefill(ids, positions, lengths, text_lens, self._cache, slots)
        if self._hidden is None:
            self._hidden = hidden.new_zeros(self.capacity, hidden.shape[1])
        self._hidden[torch.tensor(slots, device=self._device)] = hidden

    def _sample(self) -> None:
        """Sample where a slot is ready, and advance its pointers."""
        used = self._computed()
        self._do(("sample", used), lambda: self._sample_rows(used))

    def _feed(self) -> None:
        """Feed each live slot its sampled token and forced rows, up to `width`."""
        used = self._computed()
        width = self._rows_to_feed(used) if self.engine.looks and used < MANY else self._width
        reach = int(self._reach[: self._used].max()) + width
        if reach > self._cache.length:
            self._cache.grow(reach + HEADROOM)
        level = self._used == 1 and width == 1
        if self._graphs is not None:
            reach, level = min(rounded(reach, SHORTEST), self._cache.length), False
        self.engine.forwards += 1
        self._do(("feed", used, reach), lambda: self._feed_rows(used, reach, width, level))
        self._reach[: self._used] += width

    def _computed(self) -> int:
        """Slots that a step computes, the first ones; some more than are used, where graphs want few numbers."""
        return self._used if self._graphs is None else min(rounded(self._used), self.capacity)

    def _do(self, key: tuple, work: Callable[[], None]) -> None:
        """A part of a step. Its key is all that it takes from the host."""
        if self._graphs is None:
            work()
        else:
            self._graphs.run(key, work, (*self._rows.values(), self._hidden, self._cache.entries))

    def _sample_rows(self, used: int) -> None:
        rows, engine, streams = self._slots.first(used), self.engine, self._streams
        batch = self._numbers[:used]
        state, trigger, own_row, stream, early_below, force_at, end_at, _ = rows["now"][:, :COLUMNS].unbind(1)
        hold = rows["now"][:, COLUMNS:]  # (B, S)
        active, count = rows["ready"], rows["count"]
        force = count >= force_at
        early = count < early_below

        said = self._network.logits(self._hidden[:used])  # (B, S, O)
        bias = engine.bias[state + early * len(engine.states)]
        numbers = rows["uniforms"][batch, rows["samples"]]  # (B, 2 S)
        forced = force[:, None] & (engine.numbers == stream[:, None])
        held = (hold >= 0) & ~forced
        chosen, ids = torch.empty_like(hold), torch.empty_like(hold)  # (B, S)
        for s in range(streams):
            if s and (added := self._network.after(ids[:, :s])) is not None:
                said[:, s] += added
            pair = numbers[:, 2 * s : 2 * s + 2]
            drawn = engine.decoder(said[:, s] + bias[:, s], pair, rows["history"][:, s], engine.codes)
            chosen[:, s] = torch.where(forced[:, s], trigger, drawn)
            ids[:, s] = torch.where(held[:, s], hold[:, s], engine.sampled[chosen[:, s]])
        triggered = chosen == trigger[:, None]  # (B, S)
        own_trigger = triggered[:, 0] & (own_row > 0)
        ids[:, 1:].masked_fill_(own_trigger[:, None], NONE)

        holds_frame = torch.logical_and(active, ~own_trigger, out=rows["holds_frame"])
        if engine.decoder.history or self._slots.confidence:
            is_code = holds_frame[:, None] & engine.codes[chosen] & (hold < 0)
        if self._slots.confidence:
            rows["log_probability"][batch, rows["sampled"], 0] = log_probability(said, chosen, is_code)
            rows["sampled"] += is_code.sum(dim=1)
        if engine.decoder.history:
            shifted = torch.cat([rows["history"][:, :, 1:], chosen[:, :, None]], dim=2)
            rows["history"].copy_(torch.where(is_code[:, :, None], shifted, rows["history"]))
        count += holds_frame
        beside = triggered.any(dim=1) & (own_row == 0)
        ended = active & (own_trigger | beside | (count >= end_at))
        cut = force & (early_below < force_at)  # a segment that must have so many rows is not cut
        torch.where(active, cut, rows["last_cut"], out=rows["last_cut"])
        rows["cuts"] += active & cut
        count.masked_fill_(ended, 0)
        rows["segment"] += ended
        rows["samples"] += active
        torch.ge(rows["segment"], rows["segments"], out=rows["done"])
        torch.where(active[:, None], ids, rows["token"], out=rows["token"])
        torch.logical_and(active, ~rows["done"] | rows["more"], out=rows["has_token"])
        table = rows["table"]
        torch.index_select(
            table.view(-1, table.shape[-1]), 0, batch * table.shape[1] + rows["segment"], out=rows["now"]
        )

    def _rows_to_feed(self, used: int) -> int:
        """As many as each slot has that has any, up to `width`."""
        rows = self._slots.first(used)
        forced = (rows["now"][:, FORCED_END] - rows["next_forced"]).clamp(min=0) + rows["has_token"]
        least = forced.masked_fill_(forced == 0, self._width).min()
        return min(int(least), self._width)

    def _feed_rows(self, used: int, reach: int, width: int, level: bool) -> None:
        rows = self._slots.first(used)
        batch, places = self._numbers[:used], self._numbers[:width]
        token, end = rows["has_token"], rows["now"][:, FORCED_END]
        next_forced = (rows["next_forced"] - token.long())[:, None] + places  # (B, W), a place before for the token
        forced = (next_forced < end[:, None]) & (next_forced >= rows["next_forced"][:, None])
        ids = rows["forced"][batch[:, None], next_forced].masked_fill_(~forced[:, :, None], NONE)  # (B, W, S)
        ids[:, 0] = torch.where(token[:, None], rows["token"], ids[:, 0])
        count = forced.sum(dim=1)
        fed = count + token
        positions = rows["position"][:, None].expand(-1, width)  # (B, W)
        if self.engine.ordering.positions == "token":
            positions = positions + places
            rows["position"] += fed
        else:
            moved = (token & rows["holds_frame"]).long()
            positions = positions + moved[:, None] * (places > 0)
            rows["position"] += moved
        # What is written past the end of what was fed is overwritten by the next step.
        slots = batch[:, None] * rows["ids"].shape[1] + rows["slot"][:, None] + places
        rows["ids"].view(-1, ids.shape[-1]).index_copy_(0, slots.flatten(), ids.flatten(0, 1))
        hidden = self._network.step(ids, positions, self._cache, rows["slot"], reach, level)  # (B, W, D)
        hidden = hidden[batch, (fed - 1).clamp(min=0)] if width > 1 else hidden[:, 0]
        # Who waits for the rest of a script is fed nothing, and goes on from its last row.
        self._hidden[:used] = torch.where(fed[:, None] > 0, hidden, self._hidden[:used])
        rows["slot"] += fed
        rows["next_forced"] += count
        torch.eq(rows["next_forced"], end, out=rows["ready"])

    def _collect(self) -> None:
        """Take the results of slots whose scripts have ended, and free them; leave no more slots than half empty."""
        wanted = ("done", "slot", "token", "cuts", "last_cut")
        at = {name: self._rows[name][: self._used].cpu().numpy() for name in wanted}
        self._reach[: self._used] = at["slot"]
        for slot in np.flatnonzero(at["done"]).tolist():
            job = self._jobs[slot]
            if job is None:
                continue
            script, prefix = job.script, len(job.script.prefix)
            if script.more:
                job.waits = True
                continue
            fed = self._rows["ids"][slot, prefix : int(at["slot"][slot])].cpu().numpy()
            closing = script.forced[script.offset[-2] : script.offset[-1]]
            ids = np.concatenate([script.prefix, fed, at["token"][slot : slot + 1], closing]).astype(np.int32)
            following = script.next(ids) if script.next else None
            said, sampled = self._sure(slot, *job.so_far)
            if following is not None:
                self._waiting.appendleft(_Job(job.number, following, job.key, (said, sampled)))
            else:
                cuts, last_cut = int(at["cuts"][slot]), bool(at["last_cut"][slot])
                steps, sure = len(ids) - prefix, mean_log_probability(said.sum(), sampled)
                each = said if self._slots.confidence and self._streams == 1 else None
                self._results[job.number] = Decoded(ids, cuts, last_cut, len(script.state), steps, sure, each)
            self._free(slot)
        live = [slot for slot, job in enumerate(self._jobs) if job is not None]
        if not self._waiting and len(live) * 2 <= self._used:
            self._close_ranks(live)

    def _sure(self, slot: int, before: np.ndarray, count: int) -> tuple[np.ndarray, int]:
        """Log-probabilities and number of the codes that a slot has sampled, behind those of the stages before."""
        if not self._slots.confidence:
            return before, count
        sampled = int(self._rows["sampled"][slot])
        said = self._rows["log_probability"][slot, :sampled, 0].cpu().numpy().astype(np.float64)
        return np.concatenate([before, said]), count + sampled

    def _free(self, slot: int) -> None:
        """Empty a slot: it is computed still, but neither fed nor sampled."""
        self._jobs[slot] = None
        self._reach[slot] = 0
        self._slots.free(slot)

    def _close_ranks(self, live: list[int]) -> None:
        """Move what is decoded into the first slots, so that a step computes no others."""
        reach = int(self._reach.max())
        for to, source in enumerate(live):
            if to != source:
                for tensor in (*self._rows.values(), self._hidden):
                    tensor[to] = tensor[source]
                self._cache.entries[:, :, to, :, :reach] = self._cache.entries[:, :, source, :, :reach]
                self._jobs[to], self._reach[to] = self._jobs[source], self._reach[source]
                self._free(source)
        self._used = len(live)
