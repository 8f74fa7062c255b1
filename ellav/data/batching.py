"""Batches of packed sequences under a token budget: random, reproducible, resumable anywhere.

An epoch is planned from (seed, epoch) alone. Its joins are taken in windows of a few
hundred; a window is arranged, packed into batches and shuffled from (seed, epoch, window).
So the place of any batch is three integers, and any of them can be made anew.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ellav.data.joins import cut, join, plan_joins
from ellav.errors import UserError
from ellav.types import Utterance


class Utterances(Protocol):
    """What batches are made from; `ellav.data.dataset.Dataset` is one."""

    ids: Sequence[str]
    speakers: Sequence[str]
    lengths: np.ndarray

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Utterance: ...


@dataclass(frozen=True, order=True)
class Place:
    """Where in the stream of batches the next one stands."""

    epoch: int = 0
    window: int = 0
    batch: int = 0


class Batches:
    """The stream of batches that one rank trains on.

    arrange: (utterance, rng) -> anything with a length in tokens. collate: makes a batch
    from a list of those. batch_tokens: no batch holds more. max_frames: the longest join.
    window: joins that are arranged together. Ranks take disjoint batches, equally many.
    """

    def __init__(
        self,
        data: Utterances,
        arrange: Callable,
        collate: Callable,
        batch_tokens: int,
        max_frames: int,
        seed: int,
        rank: int = 0,
        world: int = 1,
        window: int = 512,
    ):
        self.data, self.arrange, self.collate = data, arrange, collate
        self.batch_tokens, self.max_frames, self.seed = batch_tokens, max_frames, seed
        self.rank, self.world, self.window = rank, world, window

    def epoch(self, start: Place) -> Iterator[tuple[object, Place]]:
        """The batches of the epoch of `start`, from there on, each with the place after it."""
        plan_rng = np.random.default_rng([self.seed, start.epoch])
        joins = plan_joins(self.data.lengths, self.data.speakers, self.max_frames, plan_rng)
        windows = range(-(-len(joins) // self.window))
        for number in windows[start.window :]:
            rng = np.random.default_rng([self.seed, start.epoch, number])
            items = [self._item(j, rng) for j in joins[number * self.window : (number + 1) * self.window]]
            packed = pack([len(item) for item in items], self.batch_tokens, rng)
            mine = packed[: len(packed) // self.world * self.world][self.rank :: self.world]
            first = start.batch if number == start.window else 0
            for index in range(first, len(mine)):
                last = index + 1 == len(mine)
                after = Place(start.epoch, number + 1, 0) if last else Place(start.epoch, number, index + 1)
                yield self.collate([items[i] for i in mine[index]]), after

    def stream(self, start: Place = Place()) -> Iterator[tuple[object, Place]]:
        """Batches without end, epoch after epoch, made by a thread in the background."""
        return in_background(self._endless(start), ahead=8)

    def _endless(self, start: Place) -> Iterator[tuple[object, Place]]:
        idle = 0
        while idle < 2:  # a resumed epoch may have nothing left
            idle += 1
            for made in self.epoch(start):
                idle = 0
                yield made
            start = Place(start.epoch + 1)
        raise UserError(
            f"{len(self.data)} utterances make less than one batch of {self.batch_tokens} tokens for each of "
            f"{self.world} processes; lower batch_tokens or use fewer processes"
        )

    def _item(self, planned, rng: np.random.Generator):
        utterance = join([self.data[i] for i in planned.members])
        utterance = cut(utterance, planned.limit)
        item = self.arrange(utterance, rng)
        if len(item) > self.batch_tokens:
            raise UserError(
                f"utterance {utterance.id!r} makes {len(item)} tokens, more than batch_tokens={self.batch_tokens}; "
                f"raise it or lower max_frames={self.max_frames}"
            )
        return item


def pack(lengths: Sequence[int], budget: int, rng: np.random.Generator, open_batches: int = 16) -> list[list[int]]:
    """Indices of `lengths` in random batches whose lengths sum to at most `budget` each.

    Each item goes, in random order, into the fullest open batch that has room for it.
    """
    done: list[list[int]] = []
    batches: list[tuple[int, list[int]]] = []
    for index in rng.permutation(len(lengths)).tolist():
        fitting = [b for b, (total, _) in enumerate(batches) if total + lengths[index] <= budget]
        if fitting:
            best = max(fitting, key=lambda b: batches[b][0])
            total, members = batches[best]
            batches[best] = (total + lengths[index], [*members, index])
            continue
        if len(batches) == open_batches:
            fullest = max(range(len(batches)), key=lambda b: batches[b][0])
            done.append(batches.pop(fullest)[1])
        batches.append((lengths[index], [index]))
    done += [members for _, members in batches]
    return [done[i] for i in rng.permutation(len(done))]


def in_background(items: Iterator, ahead: int) -> Iterator:
    """The same items, made by a thread up to `ahead` items early; its errors are raised here."""
    made: queue.Queue = queue.Queue(ahead)
    stop = threading.Event()

    def put(kind: str, value) -> bool:
        while not stop.is_set():
            try:
                made.put((kind, value), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for item in items:
                if not put("item", item):
                    return
            put("end", None)
        except BaseException as error:
            put("error", error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = made.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value
    finally:
        stop.set()
        thread.join()
