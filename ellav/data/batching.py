"""Batches of packed sequences under a token budget: random, reproducible, resumable anywhere.

An epoch is planned from (seed, epoch) alone (`ellav.data.epochs`): its joins, their order, and
which process gets which. Each process reads and arranges its own joins only and packs them as they come, so
nothing that does not fit now is dropped: it waits for a later batch. What still waits at the
end of an epoch makes its last batches. Processes therefore come to the end of an epoch a few
batches apart; each goes on with the next one, and none waits for another or runs out.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Protocol

import numpy as np

from ellav.data.epochs import Epochs
from ellav.data.joins import Joins, cut, join
from ellav.data.speakers import BySpeaker
from ellav.errors import UserError
from ellav.types import Utterance

OPEN_BATCHES = 16
"""Batches that are filled at the same time."""
NUMBERS = 1 << 32
"""More than a part of an epoch has joins."""


class Utterances(Protocol):
    """What batches are made from; `ellav.data.dataset.Dataset` is one."""

    lengths: np.ndarray
    by_speaker: BySpeaker

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Utterance: ...


@dataclass(frozen=True)
class Place:
    """Where in a process's stream of batches the next one stands: all that is needed to make it anew.

    taken: how many of its joins of this part of the epoch were arranged before. waiting: the numbers
    of joins of the epoch that wait in batches which are still filled, in each part from a multiple of NUMBERS on.
    """

    epoch: int = 0
    taken: int = 0
    waiting: tuple[tuple[int, ...], ...] = ()
    part: int = 0


class Batches:
    """The stream of batches that one process trains on.

    arrange: (utterance, rng) -> anything with a length in tokens. collate: makes a batch
    from a list of those. batch_tokens: no batch holds more. max_frames: the longest join.
    rank, world: which of how many processes; together they have every utterance once an
    epoch, and about equally many frames each. Raises UserError for fewer utterances than
    processes.
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
    ):
        self.data, self.arrange, self.collate = data, arrange, collate
        self.batch_tokens, self.max_frames = batch_tokens, max_frames
        if len(data) < world:
            raise UserError(f"{len(data)} utterances are too few for {world} processes; use fewer processes")
        self.epochs = Epochs(data.lengths, data.by_speaker, max_frames, seed, rank, world)

    def epoch(self, start: Place = Place()) -> Iterator[tuple[object, Place]]:
        """The batches of the epoch of `start`, from there on, each with the place after it."""
        packing = Packing(self.batch_tokens)
        again = self._again(start)
        for waiting in start.waiting:
            packing.open.append(Filled([(number, again[number]) for number in waiting]))
        taken, last = start.taken, self.epochs.parts - 1
        for part in range(start.part, last + 1):
            joins, mine = self.epochs.plan(start.epoch, part)
            for number in mine[taken:].tolist():
                taken += 1
                full = packing.add((part * NUMBERS + number, self._item(joins, start.epoch, part, number)))
                if full is not None:
                    yield self._batch(full), Place(start.epoch, taken, packing.waiting(), part)
            if part < last:
                taken = 0
        while packing.open:
            rest = packing.open.pop(0)
            after = Place(start.epoch, taken, packing.waiting(), last) if packing.open else Place(start.epoch + 1)
            yield self._batch(rest), after

    def _again(self, place: Place) -> dict[int, object]:
        """By their numbers, the items that wait at a place."""
        numbers = sorted(number for waiting in place.waiting for number in waiting)
        made: dict[int, object] = {}
        for part, own in groupby(numbers, lambda number: number // NUMBERS):
            joins, _ = self.epochs.plan(place.epoch, part)
            for number in own:
                made[number] = self._item(joins, place.epoch, part, number % NUMBERS)
        return made

    def stream(self, start: Place = Place()) -> Iterator[tuple[object, Place]]:
        """Batches without end, epoch after epoch, made by a thread in the background."""
        return in_background(self._endless(start), ahead=8)

    def _endless(self, place: Place) -> Iterator[tuple[object, Place]]:
        while True:
            yield from self.epoch(place)
            place = Place(place.epoch + 1)

    def _batch(self, filled: Filled):
        return self.collate([item for _, item in filled.items])

    def _item(self, joins: Joins, epoch: int, part: int, number: int):
        planned = joins[number]
        utterance = cut(join([self.data[i] for i in planned.members]), planned.limit)
        item = self.arrange(utterance, self.epochs.rng(epoch, part, number))
        if len(item) > self.batch_tokens:
            raise UserError(
                f"utterance {utterance.id!r} makes {len(item)} tokens, more than batch_tokens={self.batch_tokens}; "
                f"raise it or lower max_frames={self.max_frames}"
            )
        return item


class FirstBatches:
    """The first `count` batches of an epoch, made anew whenever they are gone through: none of them is kept."""

    def __init__(self, batches: Batches, count: int):
        self.batches, self.count = batches, count

    def __iter__(self) -> Iterator:
        return (batch for batch, _ in islice(self.batches.epoch(), self.count))


class Filled:
    """A batch in the making. items: pairs of a number and what has a length. total: of their lengths."""

    def __init__(self, items: list[tuple[int, object]]):
        self.items = items
        self.total = sum(len(item) for _, item in items)

    def add(self, item: tuple[int, object]) -> None:
        """One more."""
        self.items.append(item)
        self.total += len(item[1])


class Packing:
    """Puts each item into the fullest open batch that has room for it. open: those batches, the oldest first."""

    def __init__(self, budget: int, most_open: int = OPEN_BATCHES):
        self.budget, self.most_open = budget, most_open
        self.open: list[Filled] = []

    def add(self, item: tuple[int, object]) -> Filled | None:
        """Returns the fullest batch, no longer open, where the item needs a new one and as many are open as may be."""
        fitting = [batch for batch in self.open if batch.total + len(item[1]) <= self.budget]
        if fitting:
            max(fitting, key=lambda batch: batch.total).add(item)
            return None
        full = None
        if len(self.open) == self.most_open:
            full = max(self.open, key=lambda batch: batch.total)
            self.open.remove(full)
        self.open.append(Filled([item]))
        return full

    def waiting(self) -> tuple[tuple[int, ...], ...]:
        """The numbers in the open batches."""
        return tuple(tuple(number for number, _ in batch.items) for batch in self.open)


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
