"""How sure the models say they are: what their uncached logits say of the codes that were sampled, however and beside
whatever that was."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_engine import BUILT_IN, fake_ordering, fake_script, positions_of, tiny
from test_infer import crossed, pipeline
from torch.utils._python_dispatch import TorchDispatchMode

from ellav.infer.engine import Engine
from ellav.infer.pipeline import nar_input
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.drive import drive
from ellav.testing.ordering import PHONES, random_utterance, request_at
from ellav.types import NONE

DECODERS = [
    ("greedy", {}),
    ("nucleus", {"top_p": 0.9}),
    ("nucleus", {"top_p": 0.5, "temperature": 2.0, "keep_triggers": False}),
    ("topk", {"k": 3, "temperature": 0.5}),
    ("ras", {"top_p": 0.3, "threshold": 0.01}),
]


def plain_confidence(model, ordering, script, ids):
    """Mean log-probability of the codes that were sampled in rows (L, S), each from the uncached logits before it."""
    is_code, said = ordering.vocabulary.mask(*ordering.vocabulary.code_ranges), []

    def choose(rows, segment, allowed):
        row = ids[len(rows)]
        so_far = torch.tensor(np.array(rows), dtype=torch.int64)
        hidden = model(so_far, torch.tensor(positions_of(ordering, script, rows)), [len(rows)], [script.text_len])
        scores = model.logits(hidden[-1], torch.from_numpy(row)).double().log_softmax(-1)  # (S, O)
        for s in np.flatnonzero((script.hold[segment] == NONE) & (row != NONE)):
            if is_code[row[s]]:
                said.append(float(scores[s, model.column[row[s]]]))
        return np.where(row == NONE, allowed.argmax(axis=1), row)

    with torch.inference_mode():
        driven = drive(script, ordering.states, ordering.positions, choose)
    assert np.array_equal(driven.ids, ids)
    return np.mean(said) if said else None


def close_to(confidence):
    return None if confidence is None else pytest.approx(confidence, rel=1e-5, abs=1e-6)


@pytest.fixture(scope="module", params=[(1, False), (3, False), (3, True)])
def faked(request):
    """An ordering that uses all that scripts may ask for, a model, and scripts with what is held and forced."""
    streams, depth = request.param
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token", depth)
    return ordering, tiny(ordering), [fake_script(ordering, rng) for _ in range(12)]


@settings(max_examples=10)
@given(st.sampled_from(DECODERS), st.integers(0, 2**31), st.sampled_from([1, 2, 3]), st.integers(1, 6))
def test_it_is_what_uncached_logits_say_whatever_sampler(faked, decoder, seed, width, batch):
    ordering, model, scripts = faked
    engine = Engine(model, ordering, decoders.create(*decoder), batch, width)
    names = [f"u{i}" for i in range(len(scripts))]
    made = engine.decode(names, scripts, seed, confidence=True)
    for script, decoded in zip(scripts, made, strict=True):
        assert decoded.confidence == close_to(plain_confidence(model, ordering, script, decoded.ids))
    assert any(decoded.cuts for decoded in made) and any((script.hold != NONE).any() for script in scripts) == (
        ordering.streams > 1
    )


@pytest.mark.parametrize(("name", "options"), BUILT_IN)
@pytest.mark.parametrize("attention", ["causal", "full"])
def test_it_is_so_for_the_built_in_orderings(name, options, attention):
    ordering = orderings.create(name, options)
    ordering.bind(PHONES, 16)
    model, rng = tiny(ordering, text_attention=attention), np.random.default_rng(0)
    said = [random_utterance(rng, 16, ordering.codebooks, 3) for _ in range(3)]
    scripts = [ordering.script(request_at(u, u.frames // 3)) for u in said]
    engine = Engine(model, ordering, decoders.create("nucleus"))
    for script, decoded in zip(scripts, engine.decode(["a", "b", "c"], scripts, confidence=True), strict=True):
        assert decoded.confidence < 0
        assert decoded.confidence == close_to(plain_confidence(model, ordering, script, decoded.ids))


def test_who_does_not_ask_gets_the_same_rows_and_nothing_is_kept(faked):
    ordering, model, scripts = faked
    engine, names = Engine(model, ordering, decoders.create("ras")), [f"u{i}" for i in range(len(scripts))]
    asked, not_asked = (engine.decode(names, scripts, confidence=confidence) for confidence in (True, False))
    for one, other in zip(asked, not_asked, strict=True):
        assert np.array_equal(one.ids, other.ids) and other.confidence is None
    assert engine.open(2, True)._rows.keys() - engine.open(2)._rows.keys() == {"log_probability", "sampled"}


def test_each_script_may_have_a_seed_of_its_own(faked):
    ordering, model, scripts = faked
    engine, names = Engine(model, ordering, decoders.create("nucleus")), ["u"] * 4
    together = engine.decode(names, [scripts[0]] * 4, [5, 6, 7, 8], confidence=True)
    for seed, decoded in zip([5, 6, 7, 8], together, strict=True):
        alone = engine.decode(["u"], [scripts[0]], seed, confidence=True)[0]
        assert np.array_equal(alone.ids, decoded.ids) and alone.confidence == close_to(decoded.confidence)


def test_all_stages_of_an_ordering_count():
    ordering = orderings.create("concat")
    ordering.bind(PHONES, 16)
    utterance = random_utterance(np.random.default_rng(0), 16, 1, 2)
    first, second = (ordering.script(request_at(utterance, frames)) for frames in (1, 3))
    engine = Engine(tiny(ordering), ordering, decoders.create("greedy"))
    alone = engine.decode(["u", "u"], [first, second], confidence=True)
    object.__setattr__(first, "next", lambda rows: second)
    staged = engine.decode(["u"], [first], confidence=True)[0]
    codes = ordering.vocabulary.mask("codes")
    counts = [codes[made.ids[len(s.prefix) :, 0]].sum() for made, s in zip(alone, (first, second), strict=True)]
    wanted = sum(decoded.confidence * count for decoded, count in zip(alone, counts, strict=True)) / sum(counts)
    assert staged.confidence == close_to(wanted)


class NothingReadBack(TorchDispatchMode):
    """Raises where a value, or a shape that depends on values, is asked of the device."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func.name() not in ("aten::_local_scalar_dense", "aten::nonzero", "aten::item"), func.name()
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("decoder", ["nucleus", "ras"])
def test_no_step_waits_for_the_device(faked, decoder):
    ordering, model, scripts = faked
    session = Engine(model, ordering, decoders.create(decoder), width=2).open(4, confidence=True)
    for name, plain in (("_sample", session._sample), ("_feed", session._feed)):

        def watched(plain=plain):
            with NothingReadBack():
                plain()

        setattr(session, name, watched)
    for i, script in enumerate(scripts):
        session.add(f"u{i}", script)
    while session.busy:
        session.step()
    assert len(session.take()) == len(scripts)


@pytest.mark.parametrize(("ordering", "text"), [("interleaved", "aligned"), ("concat", "prefix")])
@pytest.mark.parametrize("most", [None, 7])
def test_that_of_the_nar_model_is_what_its_logits_say(ordering, text, most):
    speaker, requests = pipeline(ordering, text), crossed(5)
    speaker.nar_prompt = most
    together = speaker.read(requests, 3, confidence=True)
    for reading in together:
        item = nar_input(reading.request, reading.durations, reading.codes, most)
        start, said = len(item.prompt), []
        for codebook in (1, 2):
            rows = speaker.nar.rows(item.phones, item.durations, item.codes, start, codebook)
            level = torch.tensor(codebook - 1)
            with torch.inference_mode():
                hidden = speaker.nar(torch.from_numpy(rows.ids), torch.from_numpy(rows.positions), [len(rows)], level)
                scores = speaker.nar.logits(hidden, codebook).double().log_softmax(-1)[rows.first + start :]
            said += scores[torch.arange(len(scores)), torch.from_numpy(item.codes[start:, codebook]).long()].tolist()
        facts = reading.facts
        assert facts["nar_confidence"] == close_to(np.mean(said))
        assert facts["confidence"] == facts["ar_confidence"] + facts["nar_confidence"]
        alone = speaker.read([reading.request], 3, confidence=True)[0].facts
        assert all(alone[name] == close_to(facts[name]) for name in ("ar_confidence", "nar_confidence"))
    for reading, plain in zip(together, speaker.read(requests, 3), strict=True):
        assert np.array_equal(reading.codes, plain.codes) and "confidence" not in plain.facts
