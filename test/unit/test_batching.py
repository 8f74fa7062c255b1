from dataclasses import astuple
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.data.batching import Batches, FirstBatches, Packing, Place, in_background
from ellav.data.epochs import RUN, Epochs, share_out
from ellav.data.joins import cut, join, plan_joins, plan_many_joins
from ellav.data.speakers import group_by_speaker, group_chunks
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
    def speakers(self):
        return [u.speaker for u in self]

    @property
    def by_speaker(self):
        return group_by_speaker(self.speakers)

    @property
    def lengths(self):
        return np.array([u.frames for u in self])


def memory(count=40) -> Memory:
    rng = np.random.default_rng(0)
    return Memory(utterance(i, (int(rng.integers(1, 20)), 0, 3), f"s{i % 3}") for i in range(count))


def batches(data, **changes) -> Batches:
    def arrange(u, rng):
        return [(u.id, int(rng.integers(1000)))] * u.frames  # its length is what counts

    options = {"batch_tokens": 100, "max_frames": 50, "seed": 1, **changes}
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


@pytest.mark.parametrize("make", [plan_joins, plan_many_joins])
def test_joins_hold_every_utterance_once_and_one_speaker_each(make):
    data = memory()
    plan = make(data.lengths, data.by_speaker, 50, np.random.default_rng(0))
    joins = [plan[number] for number in range(len(plan))]
    assert sorted(i for j in joins for i in j.members) == list(range(len(data)))
    assert all(len({data.speakers[i] for i in j.members}) == 1 for j in joins)
    assert all(data.lengths[j.members[0]] <= j.limit <= 50 for j in joins)
    assert any(sum(data.lengths[i] for i in j.members) > j.limit for j in joins)
    assert plan.frames.tolist() == [min(j.limit, sum(data.lengths[i] for i in j.members)) for j in joins]
    again = make(data.lengths, data.by_speaker, 50, np.random.default_rng(1))
    assert again.order.tolist() != plan.order.tolist()


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 4)), min_size=1, max_size=50), st.integers(0, 9))
def test_joins_are_as_long_as_they_may_be(utterances, seed):
    """Either way of planning: no utterance is added to what is long enough, and none but the last is cut."""
    lengths, speakers = np.array(utterances).T
    for make in (plan_joins, plan_many_joins):
        plan = make(lengths, group_by_speaker(speakers), 50, np.random.default_rng(seed))
        assert sorted(plan.order.tolist()) == list(range(len(lengths)))
        assert sorted(plan.ends.tolist())[-1] == len(lengths) and sorted(plan.firsts.tolist()) == sorted(
            {0, *plan.ends.tolist()} - {len(lengths)}
        )
        for number in range(len(plan)):
            members, limit = plan[number].members, plan[number].limit
            assert len(set(speakers[list(members)])) == 1
            assert min(lengths[members[0]], 50) <= limit <= 50
            assert len(members) == 1 or lengths[list(members[:-1])].sum() < limit


def test_both_ways_of_planning_make_joins_of_the_same_kind():
    rng = np.random.default_rng(0)
    lengths, speakers = rng.integers(20, 120, 20_000), group_by_speaker(rng.integers(0, 50, 20_000))
    one, many = (make(lengths, speakers, 240, np.random.default_rng(1)) for make in (plan_joins, plan_many_joins))
    assert len(many) == pytest.approx(len(one), rel=0.01)
    for name in ("frames", "limits"):
        mine, other = (np.percentile(getattr(plan, name), range(5, 100, 5)) for plan in (one, many))
        np.testing.assert_allclose(mine, other, rtol=0.04)
    counts = [np.bincount(plan.ends - plan.firsts, minlength=9)[:9] / len(plan) for plan in (one, many)]
    np.testing.assert_allclose(*counts, atol=0.01)


def test_a_small_set_is_planned_as_ever():
    """What was trained with a seed can be trained again."""
    data = memory(12)
    epochs = Epochs(data.lengths, data.by_speaker, 50, 1, 0, 2)
    joins, mine = epochs.plan(3, 0)
    assert [joins[number].members for number in range(len(joins))] == [
        (7,),
        (10,),
        (8,),
        (1, 4),
        (2, 11, 5),
        (6, 3),
        (0, 9),
    ]
    assert mine.tolist() == [1, 5, 6]


def packed(lengths, budget) -> list[list[int]]:
    packing = Packing(budget)
    full = [packing.add((number, range(length))) for number, length in enumerate(lengths)]
    return [[number for number, _ in batch.items] for batch in [*filter(None, full), *packing.open]]


@given(st.lists(st.integers(1, 50), max_size=60), st.integers(50, 120))
def test_packing_keeps_every_item_within_the_budget(lengths, budget):
    made = packed(lengths, budget)
    assert sorted(i for batch in made for i in batch) == list(range(len(lengths)))
    assert all(0 < sum(lengths[i] for i in batch) <= budget for batch in made)


def test_packing_wastes_little():
    lengths = np.random.default_rng(0).integers(100, 1000, 500)
    assert lengths.sum() / (4000 * len(packed(lengths, 4000))) > 0.93


def test_batches_are_within_the_budget_and_reproducible():
    first, again = (list(islice(batches(memory()).stream(), 40)) for _ in range(2))
    assert first == again
    assert all(sum(map(len, batch)) <= 100 for batch, _ in first)
    assert list(islice(batches(memory(), seed=2).stream(), 40)) != first
    epochs = {place.epoch for _, place in first}
    assert len(epochs) > 1


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 60), st.sampled_from([1, 2, 4, 16]), st.integers(60, 400), st.integers(0, 3), st.data())
def test_a_stream_goes_on_exactly_from_any_place(count, world, budget, seed, data):
    """On every process, also in the middle of what waits at the end of an epoch."""
    count = max(count, world)
    rank, at = data.draw(st.integers(0, world - 1)), data.draw(st.integers(0, 30))
    options = {"rank": rank, "world": world, "batch_tokens": budget, "seed": seed}
    whole = list(islice(batches(memory(count), **options)._endless(Place()), at + 7))
    place = Place(*astuple(whole[at][1]))  # as it is saved
    assert list(islice(batches(memory(count), **options)._endless(place), 6)) == whole[at + 1 :]


@settings(deadline=None, max_examples=40)
@given(st.integers(20, 90), st.sampled_from([1, 2, 5]), st.integers(60, 400), st.integers(1, 40), st.data())
def test_a_large_set_is_read_part_by_part(count, world, budget, size, data):
    """Every utterance once an epoch, no batch beyond the budget, and on exactly from any place."""
    wanted, whole = sorted(u.id for u in memory(count)), []
    rank = data.draw(st.integers(0, world - 1))
    for one in range(world):
        made = in_parts(batches(memory(count), rank=one, world=world, batch_tokens=budget), size)
        read = list(made.epoch(Place(1)))
        assert all(0 < sum(map(len, batch)) <= budget for batch, _ in read)
        whole.append(read)
    got = [id for read in whole for batch, _ in read for item in batch for id in item[0][0].split("+")]
    assert sorted(got) == wanted
    mine = whole[rank]
    for at in range(0, len(mine) - 1, 3):
        place = Place(*astuple(mine[at][1]))
        again = in_parts(batches(memory(count), rank=rank, world=world, batch_tokens=budget), size)
        assert list(again.epoch(place)) == mine[at + 1 :]


def in_parts(made: Batches, size: int) -> Batches:
    """The same, planned `size` utterances at a time."""
    old = made.epochs
    made.epochs = Epochs(old.lengths, old.speakers, old.max_frames, old.seed, old.rank, old.world, part=size)
    return made


@given(st.integers(1, 300), st.integers(1, 80), st.integers(0, 5))
def test_parts_are_all_utterances_once_and_few_speakers_are_torn(count, size, epoch):
    speakers = group_by_speaker(np.random.default_rng(count).integers(0, 1 + count // 30, count))
    epochs = Epochs(np.ones(count), speakers, 4, 0, 0, 1, part=size)
    parts = [epochs._members(epoch, part) for part in range(epochs.parts)]
    assert sorted(i for part in parts for i in part.order.tolist()) == list(range(count))
    name = np.empty(count, int)
    name[speakers.order] = np.repeat(np.arange(len(speakers.ends)), np.diff(speakers.ends, prepend=0))
    for part in parts:
        sizes = np.diff(part.ends, prepend=0)
        assert sizes.sum() == len(part.order) and (sizes > 0).all()
        assert all(len(set(name[own])) == 1 for own in np.split(part.order, part.ends[:-1]) if len(own))
        assert len({name[own[0]] for own in np.split(part.order, part.ends[:-1]) if len(own)}) == len(sizes)
    assert sum(len(part.ends) for part in parts) <= len(speakers.ends) + -(-count // RUN)


@given(st.lists(st.integers(0, 6), min_size=1, max_size=60), st.lists(st.integers(0, 60), max_size=4))
def test_speakers_are_grouped_chunk_by_chunk_as_at_once(speakers, cuts):
    numbers = np.unique(speakers, return_inverse=True)[1].astype(np.int32)
    made, whole = group_chunks(np.split(numbers, sorted(cuts))), group_by_speaker(speakers)
    assert made.order.tolist() == whole.order.tolist() and made.ends.tolist() == whole.ends.tolist()


def test_speakers_are_spread_over_the_parts():
    speakers = group_by_speaker(np.repeat(np.arange(100), 800))
    epochs = Epochs(np.ones(80_000), speakers, 4, 0, 0, 1, part=10_000)
    first, later = epochs._members(0, 0), epochs._members(1, 0)
    assert epochs.parts == 8 and abs(len(first.order) - 10_000) < 1500
    assert len(first.ends) == 100 and len(np.intersect1d(first.order, later.order)) < 3000


@settings(deadline=None, max_examples=40)
@given(st.integers(16, 80), st.integers(60, 400), st.integers(0, 3), st.integers(0, 5))
def test_processes_have_every_utterance_once_an_epoch_between_them(count, budget, seed, epoch):
    data = memory(count)
    rng = np.random.default_rng([seed, epoch])
    plan = plan_joins(data.lengths, data.by_speaker, 50, rng)
    wanted = sorted("+".join(data[i].id for i in plan[number].members) for number in range(len(plan)))
    first = None
    for world in (1, 2, 4, 16):
        items = []
        for rank in range(world):
            for batch, _ in batches(data, rank=rank, world=world, batch_tokens=budget, seed=seed).epoch(Place(epoch)):
                assert 0 < sum(map(len, batch)) <= budget
                items += [(item[0], len(item)) for item in batch]
        assert sorted(name for (name, _), _ in items) == wanted
        first = first or sorted(items)
        assert sorted(items) == first  # arranged in the same way, however many they are


def test_a_process_arranges_only_what_it_is_given():
    data, world, asked = memory(200), 16, []
    for rank in range(world):
        read = []
        one = batches(data, rank=rank, world=world)
        one._item = lambda joins, *which, read=read: read.append(which) or range(joins[which[-1]].limit)
        list(one.epoch())
        asked.append(len(read))
    assert max(asked) - min(asked) <= 1
    assert sum(asked) == len(plan_joins(data.lengths, data.by_speaker, 50, np.random.default_rng([1, 0])))


@given(st.lists(st.integers(1, 500), min_size=1, max_size=80), st.integers(1, 17), st.integers(0, 9))
def test_shares_differ_by_one_join_at_most(frames, world, seed):
    frames = np.array(frames)
    owner = share_out(frames, world, np.random.default_rng(seed))
    shares = np.bincount(owner, frames, minlength=world)
    assert len(shares) == world and shares.max() - shares.min() <= frames.max()
    counts = np.bincount(owner, minlength=world)
    assert counts.max() - counts.min() <= 1


def test_the_first_batches_are_made_anew_whenever_they_are_gone_through():
    made = batches(memory())
    every = [batch for batch, _ in made.epoch()]
    first = FirstBatches(made, 3)
    assert list(first) == list(first) == every[:3]
    assert list(FirstBatches(made, len(every) + 5)) == every


def test_what_cannot_be_batched_is_named():
    with pytest.raises(UserError, match=r"u05.*batch_tokens"):
        list(batches(Memory([utterance(5, (200, 0, 3))]), max_frames=300).epoch())
    with pytest.raises(UserError, match="2 utterances are too few for 8 processes; use fewer processes"):
        batches(memory(2), world=8)


def test_errors_of_the_background_are_raised_here():
    def failing():
        yield 1
        raise KeyError("lost")

    stream = in_background(failing(), 2)
    assert next(stream) == 1
    with pytest.raises(KeyError, match="lost"):
        next(stream)
