from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.batching import Batches, Place, in_background, pack
from ellav.data.joins import cut, join, plan_joins
from ellav.errors import UserError
from ellav.types import Utterance


def utterance(number: int, durations=(2, 0, 3), speaker="s") -> Utterance:
    frames = sum(durations)
    return Utterance(
        f"u{number:02}",
        speaker,
        "und",
        np.arange(len(durations), dtype=np.int32),
        np.array([0, -1, 1], np.int32)[: len(durations)],
        np.array(durations, np.int32),
        np.full((frames, 2), number, np.int16),
    )


class Memory(list):
    @property
    def ids(self):
        return [u.id for u in self]

    @property
    def speakers(self):
        return [u.speaker for u in self]

    @property
    def lengths(self):
        return np.array([u.frames for u in self])


def memory(count=40) -> Memory:
    rng = np.random.default_rng(0)
    return Memory(utterance(i, (int(rng.integers(1, 20)), 0, 3), f"s{i % 3}") for i in range(count))


def batches(data, **changes) -> Batches:
    def arrange(u, rng):
        return [(u.id, int(rng.integers(1000)))] * u.frames  # its length is what counts

    options = {"batch_tokens": 100, "max_frames": 50, "seed": 1, "window": 7, **changes}
    return Batches(data, arrange, lambda items: items, **options)


def test_join_shifts_words_and_keeps_the_rest_in_order():
    made = join([utterance(1), utterance(2), utterance(3, (1, 1, 1))])
    assert made.word_of_phone.tolist() == [0, -1, 1, 2, -1, 3, 4, -1, 5]
    assert made.durations.sum() == made.frames == 13
    assert made.codes[:, 0].tolist() == [1] * 5 + [2] * 5 + [3] * 3 and made.id == "u01+u02+u03"
    with pytest.raises(ValueError, match="speakers"):
        join([utterance(1), utterance(2, speaker="t")])


@given(st.lists(st.integers(0, 5), min_size=1, max_size=12).filter(sum), st.integers(1, 40))
def test_a_cut_falls_on_the_last_boundary_that_fits(durations, limit):
    whole = Utterance(
        "u", "s", "und", *[np.arange(len(durations))] * 2, np.array(durations), np.zeros((sum(durations), 1))
    )
    part = cut(whole, limit)
    assert part.durations.sum() == part.frames and len(part.phones) == len(part.durations)
    assert part.frames <= limit or len(part.phones) == 1
    if len(part.phones) < len(durations):
        assert part.frames + durations[len(part.phones)] > limit


def test_joins_hold_every_utterance_once_and_one_speaker_each():
    data = memory()
    joins = plan_joins(data.lengths, data.speakers, 50, np.random.default_rng(0))
    assert sorted(i for j in joins for i in j.members) == list(range(len(data)))
    assert all(len({data.speakers[i] for i in j.members}) == 1 for j in joins)
    assert all(data.lengths[j.members[0]] <= j.limit <= 50 for j in joins)
    assert any(sum(data.lengths[i] for i in j.members) > j.limit for j in joins)
    again = plan_joins(data.lengths, data.speakers, 50, np.random.default_rng(1))
    assert again != joins


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120), st.integers(0, 9))
def test_packing_keeps_every_item_within_the_budget(lengths, budget, seed):
    packed = pack(lengths, budget, np.random.default_rng(seed))
    assert sorted(i for batch in packed for i in batch) == list(range(len(lengths)))
    assert all(0 < sum(lengths[i] for i in batch) <= budget for batch in packed)


def test_packing_wastes_little():
    lengths = np.random.default_rng(0).integers(100, 1000, 500)
    packed = pack(lengths, 4000, np.random.default_rng(0))
    assert lengths.sum() / (4000 * len(packed)) > 0.93


def test_batches_are_within_the_budget_and_reproducible():
    first, again = (list(islice(batches(memory()).stream(), 40)) for _ in range(2))
    assert first == again
    assert all(sum(map(len, batch)) <= 100 for batch, _ in first)
    assert list(islice(batches(memory(), seed=2).stream(), 40)) != first
    epochs = {place.epoch for _, place in first}
    assert len(epochs) > 1


def test_a_stream_goes_on_exactly_from_any_place():
    whole = list(islice(batches(memory()).stream(), 30))
    for at in range(25):
        resumed = list(islice(batches(memory()).stream(whole[at][1]), 5))
        assert resumed == whole[at + 1 : at + 6]


def test_ranks_take_disjoint_batches_equally_many():
    data = memory()
    alone = [batch for batch, _ in batches(data).epoch(Place(3))]
    ranks = [[batch for batch, _ in batches(data, rank=r, world=2).epoch(Place(3))] for r in range(2)]
    assert len(ranks[0]) == len(ranks[1])
    names = [Counter(name for batch in rank for item in batch for name in item[:1]) for rank in ranks]
    assert not names[0].keys() & names[1].keys()
    assert len(alone) - 2 * len(ranks[0]) <= -(-len(data) // 7)


def test_what_cannot_be_batched_is_named():
    with pytest.raises(UserError, match=r"u05.*batch_tokens"):
        list(batches(Memory([utterance(5, (200, 0, 3))]), max_frames=300).epoch(Place()))
    with pytest.raises(UserError, match="fewer processes"):
        next(batches(memory(2), world=8).stream())


def test_errors_of_the_background_are_raised_here():
    def failing():
        yield 1
        raise KeyError("lost")

    stream = in_background(failing(), 2)
    assert next(stream) == 1
    with pytest.raises(KeyError, match="lost"):
        next(stream)
