"""Sessions of slots: whatever is added or cancelled beside it, a script becomes what it becomes alone."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import fake_ordering, fake_script, tiny

from ellav.infer.engine import Engine
from ellav.plugins.decoders import decoders

SCRIPTS = 14


@pytest.fixture(
    scope="module",
    params=[(1, 1, "nucleus"), (1, 2, "ras"), (3, 2, "nucleus"), (1, None, "nucleus"), (3, None, "ras")],
    ids=str,
)
def known(request):
    """An engine, scripts, and what each becomes alone in the only slot."""
    streams, width, decoder = request.param
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token")
    engine = Engine(tiny(ordering), ordering, decoders.create(decoder), width=width)
    scripts = [fake_script(ordering, rng) for _ in range(SCRIPTS)]
    alone = []
    for i, script in enumerate(scripts):
        session = engine.open(1, confidence=True)
        number = session.add(f"u{i}", script, seed=2)
        while session.busy:
            session.step()
        alone.append(session.take()[number])
    return engine, scripts, alone


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_nothing_that_happens_beside_a_script_changes_it(known, capacity, seed):
    engine, scripts, alone = known
    rng = np.random.default_rng(seed)
    session, taken = engine.open(capacity, confidence=bool(seed % 2)), {}
    order, numbers, cancelled = rng.permutation(SCRIPTS).tolist(), {}, set()
    while order or session.busy:
        happens = rng.random()
        if order and happens < 0.4:
            i = order.pop()
            numbers[session.add(f"u{i}", scripts[i], seed=2)] = i
        elif numbers and happens < 0.45:
            number = int(rng.choice(list(numbers)))
            if number not in taken:
                session.cancel(number)
                cancelled.add(number)
        else:
            session.step()
            taken |= session.take()
    assert set(taken) == set(numbers) - cancelled
    for number, decoded in taken.items():
        right = alone[numbers[number]]
        assert np.array_equal(decoded.ids, right.ids)
        assert (decoded.cuts, decoded.last_cut, decoded.steps) == (right.cuts, right.last_cut, right.steps)
        assert decoded.confidence == (pytest.approx(right.confidence, rel=1e-5) if seed % 2 else None)


def test_no_slot_is_empty_while_a_script_waits(known):
    engine, scripts, _ = known
    session, steps = engine.open(3), []
    sample = session._sample

    def spy():
        steps.append(all(job is not None for job in session._jobs) or not session._waiting)
        sample()

    session._sample = spy
    for i, script in enumerate(scripts):
        session.add(f"u{i}", script)
    while session.busy:
        session.step()
    assert all(steps) and len(session.take()) == SCRIPTS and session._used == 0


def test_slots_that_nothing_waits_for_are_not_computed(known):
    engine, scripts, _ = known
    session, widths = engine.open(8), []
    step, network = engine.network.step, engine.network
    network.step = lambda ids, *rest: widths.append(len(ids)) or step(ids, *rest)
    try:
        for i in range(8):
            session.add(f"u{i}", scripts[i])
        while session.busy:
            session.step()
    finally:
        network.step = step
    assert widths[0] <= 8 and widths[-1] <= 4 and widths == sorted(widths, reverse=True)


def test_shapes_stay_while_scripts_come_and_go(known):
    engine, scripts, _ = known
    session = engine.open(2)
    longest = max(scripts, key=lambda s: (s.bound, len(s.forced), len(s.state), len(s.prefix)))
    largest = [max(scripts, key=key) for key in (lambda s: s.bound, lambda s: len(s.forced), lambda s: len(s.state))]
    for i, script in enumerate([longest, *largest]):
        session.add(f"first {i}", script)
    while session.busy:
        session.step()
    before = {name: (tensor.data_ptr(), tensor.shape) for name, tensor in session._rows.items()}
    for i, script in enumerate(scripts):
        session.add(f"u{i}", script)
    while session.busy:
        session.step()
    assert {name: (tensor.data_ptr(), tensor.shape) for name, tensor in session._rows.items()} == before


def test_a_session_needs_a_slot(known):
    with pytest.raises(ValueError, match="capacity"):
        known[0].open(-1)


def test_the_cache_grows_as_far_as_it_must():
    rng = np.random.default_rng(0)
    ordering = fake_ordering(1, "token")
    engine = Engine(tiny(ordering), ordering, decoders.create("greedy"))
    script = fake_script(ordering, rng)
    object.__setattr__(script, "least", np.full(len(script.state), 200))
    object.__setattr__(script, "most", np.full(len(script.state), 200))
    session = engine.open(1)
    number = session.add("u", script)
    while session.busy:
        session.step()
    decoded = session.take()[number]
    assert decoded.steps > 200 and torch.isfinite(session._cache.entries).all()
    assert session._cache.length < len(decoded.ids) + 2 * 256


def test_rows_so_far_are_seen_while_a_script_is_decoded(known):
    engine, scripts, alone = known
    session, whole = engine.open(2), {}
    numbers = {session.add(f"u{i}", scripts[i], seed=2): i for i in range(4)}
    assert all(session.peek(number) is None for number in numbers)  # they wait
    lengths = {number: [] for number in numbers}
    while session.busy:
        session.step()
        for number, i in numbers.items():
            rows = session.peek(number)
            if rows is not None:
                assert np.array_equal(rows, alone[i].ids[: len(rows)])
                lengths[number].append(len(rows))
                rows[:] = 0  # a copy
        whole |= session.take()
    for number, i in numbers.items():
        assert lengths[number] == sorted(lengths[number]) and session.peek(number) is None
        assert np.array_equal(whole[number].ids, alone[i].ids)
    assert max(map(len, lengths.values())) > 3
