"""One session of slots for many who speak at once: each of them decodes as if it had the engine for itself.

Whoever speaks runs in a greenlet: plain code that is put aside where it waits for the session, and gone on with when
the session has got there. All of them run in one thread, one at a time, so neither models nor session need locks, and
the code that speaks is the very code that speaks alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from greenlet import getcurrent

from ellav.infer.engine import Engine
from ellav.infer.session import Decoded
from ellav.types import DecodingScript


class SharedEngine:
    """Stands where a `Pipeline` has its engine. slots: scripts that are decoded at once, whoever's they are.

    Outside of the greenlets that decode, `step` is to be called while `busy`, and a greenlet gone on with when what it
    waits for is true: it switches to its parent with a function that tells.
    """

    def __init__(self, engine: Engine, slots: int):
        self.engine, self._slots = engine, slots
        self.ordering, self.batch = engine.ordering, engine.batch
        self.begin_anew()

    def begin_anew(self) -> None:
        """Forget all that is being decoded, after a step has failed."""
        self.session = self.engine.open(self._slots)
        self.steps = 0
        self.ended: dict[int, Decoded] = {}

    @property
    def busy(self) -> bool:
        """Whether anything waits or is being decoded."""
        return self.session.busy

    def step(self) -> None:
        """A step of the session, and what has ended with it."""
        self.session.step()
        self.ended.update(self.session.take())
        self.steps += 1

    def open(self, capacity: int | None = None, confidence: bool = False) -> Seat:
        """Begin decoding, see `Engine.open`; the capacity is everybody's."""
        self._check(confidence)
        return Seat(self)

    def decode(
        self,
        utterances: list[str],
        scripts: list[DecodingScript],
        seed: int | Sequence[int] = 0,
        done: Callable[[int], None] | None = None,
        confidence: bool = False,
    ) -> list[Decoded]:
        """Run scripts beside everybody else's, see `Engine.decode`; done is called once, with all of them."""
        self._check(confidence)
        seeds = seed if isinstance(seed, Sequence) else [seed] * len(scripts)
        numbers = [self.session.add(*one) for one in zip(utterances, scripts, seeds, strict=True)]
        try:
            wait_until(lambda: all(number in self.ended for number in numbers))
            if done:
                done(len(numbers))
            return [self.ended[number] for number in numbers]
        finally:
            for number in numbers:
                self.cancel(number)

    def cancel(self, number: int) -> None:
        """Forget a script and its result."""
        self.session.cancel(number)
        self.ended.pop(number, None)

    def _check(self, confidence: bool) -> None:
        if confidence:
            raise ValueError("a shared session does not tell how sure the model is")


class Seat:
    """Used as a session of one's own is, see `ellav.infer.session.Session`; the steps are everybody's.

    Steps that were asked for are waited for when results are, so that one who needs a hundred is not woken after each.
    """

    def __init__(self, engine: SharedEngine):
        self.engine = engine
        self._numbers: set[int] = set()
        self._due = 0

    @property
    def busy(self) -> bool:
        """Whether anything of one's own is being decoded."""
        return bool(self._numbers)

    def add(self, utterance: str, script: DecodingScript, seed: int = 0) -> int:
        """Decode a script; returns its number. Raises ValueError where its end is not known: a request brings the whole
        of its text, and nobody would extend it."""
        if script.more:
            raise ValueError("a script goes on that nobody can extend; decode it in a session of its own")
        number = self.engine.session.add(utterance, script, seed)
        self._numbers.add(number)
        return number

    def step(self) -> None:
        """Ask for one more step."""
        self._due = max(self._due, self.engine.steps) + 1

    def take(self) -> dict[int, Decoded]:
        """What has ended of one's own; waits until the steps that were asked for are made, or something has."""
        ended = self.engine.ended
        wait_until(lambda: self.engine.steps >= self._due or not self._numbers.isdisjoint(ended))
        taken = {number: ended.pop(number) for number in self._numbers & ended.keys()}
        self._numbers -= taken.keys()
        return taken

    def peek(self, number: int) -> np.ndarray | None:
        """Rows (L, S) so far, see `Session.peek`."""
        return self.engine.session.peek(number)

    def cancel(self, number: int) -> None:
        """Forget a script."""
        self._numbers.discard(number)
        self.engine.cancel(number)


def wait_until(ready: Callable[[], bool]) -> None:
    """Put the greenlet that calls aside until `ready()`."""
    if not ready():
        getcurrent().parent.switch(ready)
