"""The plan of an epoch: which joins there are, in which order, and whose they are.

All of it follows from the seed, the number of the epoch and the lengths, so every process
makes the same plan and takes its own joins of it; nothing is exchanged or kept. A large set is
planned part by part, each when the one before it is used up, so that a plan takes the same
memory and time however large the set: a part has a random quarter of a million of the utterances,
of all speakers alike.
"""

from __future__ import annotations

import numpy as np

from ellav.data.joins import Joins, plan_joins, plan_many_joins
from ellav.data.speakers import BySpeaker

PART = 1 << 18
"""Utterances that are planned at once. Sets up to twice this size have one part, and keep the plans they always had."""
RUN = 16
"""Utterances of a speaker, neighbours in the set, that go into the same part: enough for a speaker who has no more to
be joined with himself."""
_AT_ONCE = 1 << 20


class Epochs:
    """The plans of all epochs of a set, for one of `world` processes.

    lengths: (U,) frames. speakers: all utterances. parts: how many an epoch has.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        speakers: BySpeaker,
        max_frames: int,
        seed: int,
        rank: int,
        world: int,
        part: int = PART,
    ):
        self.lengths, self.speakers, self.max_frames, self.seed = lengths, speakers, max_frames, seed
        self.rank, self.world = rank, world
        self.parts = -(-len(lengths) // part) if len(lengths) > 2 * part else 1

    def plan(self, epoch: int, part: int) -> tuple[Joins, np.ndarray]:
        """All joins of a part, and the numbers of this process's among them in the order in which it trains on them."""
        if self.parts == 1:
            rng = np.random.default_rng([self.seed, epoch])
            joins = plan_joins(self.lengths, self.speakers, self.max_frames, rng)
        else:
            rng = np.random.default_rng([self.seed, epoch, 0, part + 1])
            joins = plan_many_joins(self.lengths, self._members(epoch, part), self.max_frames, rng)
        return joins, np.flatnonzero(share_out(joins.frames, self.world, rng) == self.rank)

    def rng(self, epoch: int, part: int, number: int) -> np.random.Generator:
        """The random numbers of a join, whichever process arranges it."""
        # + 1: numpy takes [seed, epoch, 0] for [seed, epoch]
        return np.random.default_rng([self.seed, epoch, number + 1, *([part] if part else [])])

    def _members(self, epoch: int, part: int) -> BySpeaker:
        """The utterances of a part: runs of neighbours, drawn for the whole epoch and looked through anew each time."""
        rng = np.random.default_rng([self.seed, epoch, 0, self.parts + 1])
        count = len(self.lengths)
        runs = -(-count // RUN)
        chosen = [
            begin + np.flatnonzero(rng.integers(self.parts, size=min(_AT_ONCE, runs - begin), dtype=np.uint16) == part)
            for begin in range(0, runs, _AT_ONCE)
        ]
        places = (np.concatenate(chosen)[:, None] * RUN + np.arange(RUN)).ravel()
        places = places[: np.searchsorted(places, count)]  # the last run of all may be shorter
        ends = np.searchsorted(places, self.speakers.ends)
        return BySpeaker(self.speakers.order[places], ends[np.diff(ends, prepend=0) > 0])


def share_out(frames: np.ndarray, world: int, rng: np.random.Generator) -> np.ndarray:
    """(J,) which of `world` processes gets each join, at random, in shares of nearly equal length.

    frames: (J,). Each `world` joins of neighbouring length go to as many processes, so that
    the shares differ by no more than the longest join.
    """
    order = np.argsort(-frames, kind="stable")
    rounds = -(-len(frames) // world)
    dealt = rng.permuted(np.tile(np.arange(world, dtype=np.int32), (rounds, 1)), axis=1).ravel()
    owner = np.empty(len(frames), np.int32)
    owner[order] = dealt[: len(frames)]
    return owner
