"""Scripts that grow while they are decoded become what the whole script becomes, whenever their rest is told."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import fake_ordering, fake_script, tiny

from ellav.infer.engine import Engine
from ellav.models.ar import ARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.concat import Concat
from ellav.plugins.orderings.interleaved import Interleaved
from ellav.testing import ContractError
from ellav.testing.ordering import PHONES, check_ordering, growing_at, random_utterance, request_at

SCRIPTS = 10


def begun(script, segments):
    """The script as far as its first segments are known."""
    offset = np.append(script.offset[: segments + 1], script.offset[segments])
    rows = {name: getattr(script, name)[:segments] for name in ("state", "least", "most", "hold")}
    return replace(script, forced=script.forced[: offset[-1]], offset=offset, more=True, **rows)


def alone(engine, names, scripts, seed=2):
    made = []
    for name, script in zip(names, scripts, strict=True):
        made += engine.decode([name], [script], seed, confidence=True)
    return made


@pytest.fixture(scope="module", params=[(1, 1, "nucleus"), (1, 2, "ras"), (3, 2, "nucleus")], ids=str)
def known(request):
    """An engine, scripts, and what each becomes alone and whole."""
    streams, width, decoder = request.param
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token" if streams == 1 else "frame")
    engine = Engine(tiny(ordering), ordering, decoders.create(decoder), width=width)
    scripts = [fake_script(ordering, rng) for _ in range(SCRIPTS)]
    return engine, scripts, alone(engine, [f"u{i}" for i in range(SCRIPTS)], scripts)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_whenever_a_script_grows_it_becomes_what_it_is_at_once(known, capacity, seed):
    engine, scripts, whole = known
    rng = np.random.default_rng(seed)
    session, taken = engine.open(capacity, confidence=bool(seed % 2)), {}
    session._look = (1, 5, 16)[seed % 3]  # on a GPU nobody sees at once that a script waits
    order, told, cancelled = rng.permutation(SCRIPTS).tolist(), {}, set()  # told: number -> script, segments or None

    def grow(i, least):
        segments = int(rng.integers(least, len(scripts[i].state) + 1))
        last = segments == len(scripts[i].state)
        return (scripts[i] if last else begun(scripts[i], segments)), None if last else segments

    while order or session.busy or any(segments is not None for _, segments in told.values()):
        happens, open_ones = rng.random(), [n for n, (_, segments) in told.items() if segments is not None]
        if order and happens < 0.3:
            i = order.pop()
            script, segments = grow(i, 0)
            told[session.add(f"u{i}", script, seed=2)] = i, segments
        elif open_ones and happens < 0.5:
            number = int(rng.choice(open_ones))
            i, segments = told[number]
            script, segments = grow(i, segments)
            session.extend(number, script)
            told[number] = i, segments
        elif told and happens < 0.53:
            number = int(rng.choice(list(told)))
            if number not in taken:
                session.cancel(number)  # while it waits, is decoded, or waits for its rest
                cancelled.add(number)
                told[number] = told[number][0], None
        else:
            session.step()
            taken |= session.take()
    assert set(taken) == set(told) - cancelled
    for number, decoded in taken.items():
        right = whole[told[number][0]]
        assert np.array_equal(decoded.ids, right.ids)
        assert (decoded.cuts, decoded.last_cut, decoded.steps) == (right.cuts, right.last_cut, right.steps)
        assert decoded.segments == right.segments
        assert decoded.confidence == (pytest.approx(right.confidence, rel=1e-5) if seed % 2 else None)


def test_a_script_that_waits_for_its_rest_is_no_work(known):
    engine, scripts, whole = known
    i = int(np.argmax([len(script.state) for script in scripts]))
    session = engine.open(1)
    number, other = session.add(f"u{i}", begun(scripts[i], 1), seed=2), session.add("u0", scripts[0], seed=2)
    while session.busy:
        session.step()
    rows, forwards = session.peek(number), engine.forwards
    assert np.array_equal(rows, whole[i].ids[: len(rows)]) and not session.take()
    for _ in range(3):
        session.step()
    assert engine.forwards == forwards and np.array_equal(session.peek(number), rows)
    session.cancel(number)  # its slot is free for the one that waits for it
    assert session.busy and session.peek(number) is None
    while session.busy:
        session.step()
    assert np.array_equal(session.take()[other].ids, whole[0].ids)


def test_what_does_not_go_on_with_a_script_is_refused(known):
    engine, scripts, _ = known
    i = int(np.argmax([len(script.state) for script in scripts]))
    script, session = scripts[i], engine.open(1)
    number = session.add("u", begun(script, 2))
    wrong = [
        ("state", begun(script, 1)),
        ("state", replace(begun(script, 2), more=False)),
        ("prefix", replace(script, prefix=script.prefix[:-1])),
        ("count", replace(script, count=script.count + 1)),
        ("least", replace(script, least=script.least + 1)),
        ("offset", replace(script, offset=script.offset + (np.arange(len(script.offset)) == 1))),
    ]
    for in_slot in (False, True):
        for field, longer in wrong:
            with pytest.raises(ValueError, match=f"`{field}` of script {number}"):
                session.extend(number, longer)
        session.step()
        assert in_slot or session.peek(number) is not None
    session.extend(number, script)
    with pytest.raises(ValueError, match="`more` of script"):
        session.extend(number, script)
    session.cancel(number)
    for unknown in (number, number + 1):
        with pytest.raises(ValueError, match="is not decoded"):
            session.extend(unknown, script)
    with pytest.raises(ValueError, match="goes on that nobody can extend"):
        engine.decode(["u"], [begun(script, 1)])


@pytest.mark.parametrize("advance", [0, 3, 9])
def test_speech_of_a_growing_text_is_that_of_the_whole(advance):
    torch.manual_seed(advance)
    ordering = orderings.create("interleaved", {"global_advance": False, "local_advance": advance})
    ordering.bind(PHONES, 16)
    ar = ARModel.of(ordering, ModelOptions(layers=1, width=16, heads=2, ffn=16))
    engine = Engine(ar, ordering, decoders.create("nucleus"))

    @settings(max_examples=15, deadline=None)
    @given(st.integers(0, 1000), st.integers(1, 3))
    def check(seed, at_once):
        rng = np.random.default_rng(seed)
        utterance = random_utterance(rng, 16, 1)
        cut = int(rng.integers(0, utterance.frames + 1))
        (right,) = engine.decode(["u"], [ordering.script(request_at(utterance, cut))], seed)
        begins = request_at(utterance, cut)
        known = len(begins.durations) - begins.open + 1
        session = engine.open(1)
        number = session.add("u", ordering.script(growing_at(utterance, cut, known)), seed)
        while known < len(utterance.phones):
            while session.busy:
                session.step()
            assert not session.take()
            # All that is known was said but for the last phone, whose end depends on whether another one follows.
            eops = int((session.peek(number)[:, 0] == ordering.eop).sum())
            assert eops == known - 1
            known = min(known + at_once, len(utterance.phones))
            session.extend(number, ordering.script(growing_at(utterance, cut, known)))
        session.extend(number, ordering.script(begins))
        while session.busy:
            session.step()
        assert np.array_equal(session.take()[number].ids, right.ids)

    check()


def test_with_global_advance_the_whole_text_must_be_known():
    utterance = random_utterance(np.random.default_rng(0), 16, 1)
    ordering = orderings.create("interleaved")
    ordering.bind(PHONES, 16)
    assert not ordering.grows
    with pytest.raises(ValueError, match="the whole text must be known"):
        ordering.script(growing_at(utterance, 0, 2))


class Grows(Interleaved):
    def __init__(self):
        super().__init__(global_advance=False, local_advance=2)


class TooSoon(Grows):
    """Decodes the last phone known as if none followed."""

    def script(self, request):
        made = super().script(replace(request, more=False))
        return begun(made, len(made.state)) if request.more else made


class Closes(Grows):
    def script(self, request):
        return super().script(replace(request, more=False))


class Silent(Grows):
    def script(self, request):
        return replace(super().script(request), more=False)


class ByFrames(Grows):
    def script(self, request):
        made = super().script(request)
        return replace(made, most=made.most + request.max_frames % 3)


class Unread(Concat):
    grows = True


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (TooSoon, "`(least|most)` of the script with"),
        (Closes, "does not say `more`"),
        (Silent, "does not say `more`"),
        (ByFrames, "`most` of the script with"),
        (Unread, "`restore_begun` tells no durations"),
    ],
)
def test_an_ordering_that_only_says_that_it_grows_is_found_out(wrong, said):
    with pytest.raises(ContractError, match=f"growing text.*{said}"):
        check_ordering(wrong(), cases=20)
    check_ordering(Grows(), cases=5)
