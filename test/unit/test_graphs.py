"""What CUDA graphs are to hold, with a tape in the place of a GPU: the same results, from tensors that stay."""

import numpy as np
import pytest
import torch
from tape import TapedGraphs, Unseen, unasked
from test_engine import fake_ordering, fake_script, tiny
from test_growing_scripts import begun

from ellav.infer import session as session_of_slots
from ellav.infer.engine import Engine
from ellav.infer.graphs import Graphs
from ellav.models.cached import rounded
from ellav.plugins.decoders import decoders


def taped(engine, monkeypatch):
    """Sessions of this engine capture their steps; returns where their graphs are found."""
    made = []
    monkeypatch.setattr(engine, "session_graphs", lambda: made.append(TapedGraphs()) or made[-1])
    return made


@pytest.mark.parametrize(
    ("streams", "width", "decoder", "positions", "confidence"),
    [(1, 1, "nucleus", "token", True), (1, 2, "ras", "token", False), (3, 2, "topk", "frame", True)],
)
def test_captured_steps_decode_what_others_do(streams, width, decoder, positions, confidence, monkeypatch):
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, positions)
    engine = Engine(tiny(ordering), ordering, decoders.create(decoder), width=width)
    scripts = [fake_script(ordering, rng) for _ in range(9)]
    names = [f"u{i}" for i in range(9)]
    plain = engine.decode(names, scripts, confidence=confidence)
    graphs = taped(engine, monkeypatch)
    for batch in (1, 5):
        engine.batch = batch
        for one, other in zip(plain, engine.decode(names, scripts, confidence=confidence), strict=True):
            assert np.array_equal(one.ids, other.ids) and (one.cuts, one.last_cut) == (other.cuts, other.last_cut)
            assert other.confidence == (pytest.approx(one.confidence, rel=1e-5) if one.confidence else None)
        keys = graphs[-1].captured
        assert graphs[-1].replayed > len(keys) > 0
        assert {used for _, used, *_ in keys} <= {1, 2, 4, batch}


def test_scripts_come_and_go_beside_captured_steps(monkeypatch):
    rng = np.random.default_rng(4)
    ordering = fake_ordering(1, "token")
    engine = Engine(tiny(ordering), ordering, decoders.create("nucleus"), width=2)
    scripts = [fake_script(ordering, rng) for _ in range(16)]
    plain = engine.decode([f"u{i}" for i in range(16)], scripts)
    taped(engine, monkeypatch)
    session, numbers, taken, cancelled = engine.open(6), {}, {}, set()
    session._look = 3
    while len(numbers) < 16 or session.busy:
        if len(numbers) < 16 and rng.random() < 0.3:
            i = len(numbers)
            numbers[session.add(f"u{i}", scripts[i])] = i
        elif numbers and rng.random() < 0.05:
            number = int(rng.choice(list(numbers)))
            if number not in taken:
                session.cancel(number)
                cancelled.add(number)
        else:
            session.step()
            taken |= session.take()
    assert set(taken) == set(numbers) - cancelled and len(taken) > 8
    for number, decoded in taken.items():
        assert np.array_equal(decoded.ids, plain[numbers[number]].ids)


def test_a_cache_that_grows_and_a_longer_script_are_captured_anew(monkeypatch):
    rng = np.random.default_rng(0)
    ordering = fake_ordering(1, "token")
    engine = Engine(tiny(ordering), ordering, decoders.create("nucleus"), width=2)
    short, long = fake_script(ordering, rng), fake_script(ordering, rng)
    for name in ("least", "most"):
        object.__setattr__(long, name, np.full(len(long.state), 60 // len(long.state)))
    monkeypatch.setattr(session_of_slots, "HEADROOM", 16)
    plain = engine.decode(["short", "long"], [short, long])
    made = taped(engine, monkeypatch)
    session = engine.open(2)
    first = session.add("short", short)
    for _ in range(4):
        session.step()
    second = session.add("long", long)
    while session.busy:
        session.step()
    found = session.take()
    assert np.array_equal(found[first].ids, plain[0].ids) and np.array_equal(found[second].ids, plain[1].ids)
    lengths = [key[2] for key in made[0].captured if key[0] == "feed"]
    assert len(lengths) >= 2 and lengths == sorted(lengths) and lengths[0] < lengths[-1]


def test_scripts_grow_beside_captured_steps(monkeypatch):
    rng = np.random.default_rng(2)
    ordering = fake_ordering(1, "token")
    engine = Engine(tiny(ordering), ordering, decoders.create("ras"), width=2)
    scripts = [fake_script(ordering, rng) for _ in range(8)]
    plain = engine.decode([f"u{i}" for i in range(8)], scripts)
    made = taped(engine, monkeypatch)
    session, taken = engine.open(4), {}
    session._look = 5
    numbers = {session.add(f"u{i}", begun(script, 0)): i for i, script in enumerate(scripts[:4])}
    growing = dict(numbers)
    for segments in (1, 2, None):
        while session.busy:
            session.step()
        for number, i in list(growing.items()):
            last = segments is None or segments >= len(scripts[i].state)
            session.extend(number, scripts[i] if last else begun(scripts[i], segments))
            if last:
                del growing[number]
        if segments == 2:
            numbers |= {session.add(f"u{i}", scripts[i]): i for i in range(4, 8)}
        for _ in range(6):
            session.step()
        taken |= session.take()
    while session.busy:
        session.step()
    taken |= session.take()
    assert len(taken) == 8 and made[0].replayed > 10
    for number, i in numbers.items():
        assert np.array_equal(taken[number].ids, plain[i].ids)


def test_nothing_in_a_step_waits_for_the_device():
    rng = np.random.default_rng(1)
    ordering = fake_ordering(2, "token")
    for name in ("greedy", "topk", "nucleus", "ras"):
        engine = Engine(tiny(ordering), ordering, decoders.create(name), width=2)
        session = engine.open(3, confidence=True)
        for i in range(3):
            session.add(f"u{i}", fake_script(ordering, rng))
        session.step()
        places = {n: t.data_ptr() for n, t in session._rows.items()}
        with torch.inference_mode(), Unseen(), unasked():
            session._sample()
            session._feed()
        assert {n: t.data_ptr() for n, t in session._rows.items()} == places


def test_a_decoder_that_looks_is_refused(monkeypatch):
    class Looking:
        name, history = "looking", 0

        def __call__(self, logits, uniforms, history, codes):
            return logits.argmax(-1) if logits.max() > 0 else logits.argmin(-1)

    rng = np.random.default_rng(1)
    ordering = fake_ordering(1, "token")
    engine = Engine(tiny(ordering), ordering, Looking())
    taped(engine, monkeypatch)
    with pytest.raises(pytest.fail.Exception, match="asked for its __bool__"):
        engine.decode(["u"], [fake_script(ordering, rng)])


# How graphs are kept.


def counting(most=64, fails=False):
    done, place = [], torch.zeros(3)

    def capture(work):
        done.append("capture")
        if fails:
            raise RuntimeError("operation not permitted when stream is capturing")
        return lambda: done.append("replay")

    return Graphs(lambda work: done.append("warm"), capture, most), done, place


def test_work_is_warmed_up_then_captured_then_replayed():
    graphs, done, place = counting()
    for _ in range(3):
        graphs.run("a", lambda: done.append("work"), [place])
    graphs.run("b", lambda: done.append("work"), [place])
    assert done == ["warm", "capture", "replay", "replay", "warm"]


def test_what_moved_is_captured_anew():
    graphs, done, place = counting()
    for tensor in (place, place, place[1:], place, place):
        graphs.run("a", lambda: None, [tensor])
    assert done == ["warm", "capture", "replay", "warm", "warm", "capture", "replay"]


def test_only_the_latest_used_are_kept():
    graphs, done, place = counting(most=2)
    for key in "aabbacc":  # c takes the place of b
        graphs.run(key, lambda: None, [place])
    assert list(graphs._captured) == ["a", "c"]
    done.clear()
    graphs.run("b", lambda: None, [place])
    graphs.run("c", lambda: None, [place])
    assert done == ["capture", "replay", "replay"]


def test_what_cannot_be_captured_is_done_as_it_is():
    graphs, done, place = counting(fails=True)
    graphs.run("a", lambda: done.append("work"), [place])
    with pytest.warns(UserWarning, match="not captured as CUDA graphs"):
        graphs.run("a", lambda: done.append("work"), [place])
    graphs.run("a", lambda: done.append("work"), [place])
    assert done == ["warm", "capture", "work", "work"]


def test_powers_of_two():
    assert [rounded(n) for n in (1, 2, 3, 4, 5, 512, 513)] == [1, 2, 4, 4, 8, 512, 1024]
    assert rounded(3, 512) == 512
