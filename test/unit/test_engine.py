"""The engine against the plain meaning of scripts, with real and with adversarial models."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.infer.engine import Engine
from ellav.infer.uniforms import uniforms, utterance_key
from ellav.models.ar import ARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.drive import drive
from ellav.testing.ordering import PHONES, random_utterance, request_at
from ellav.types import NONE, DecodingScript, State, Vocabulary

BUILT_IN = [
    ("interleaved", {}),
    ("interleaved", {"codebooks": 3}),
    ("concat", {}),
    ("grouped", {"group": 4}),
    ("word_block", {}),
]


def fake_ordering(streams, positions, depth=False):
    """A vocabulary and states that use all that scripts may ask for."""
    vocabulary = Vocabulary({"phones": 4, "bos": 1, "eos": 1, "next": 1, "codes": 9})
    codes = vocabulary.mask("codes")
    own = State(np.stack([codes | vocabulary.mask("eos")] + [codes] * (streams - 1)), vocabulary.id("eos"), True)
    beside = State(np.stack([codes] * (streams - 1) + [codes | vocabulary.mask("next")]), vocabulary.id("next"), False)
    counted = State(np.stack([codes] * streams))
    return SimpleNamespace(
        vocabulary=vocabulary,
        streams=streams,
        positions=positions,
        combine="sum",
        depth=depth,
        states=(own, beside, counted),
    )


def fake_script(ordering, rng):
    streams, size = ordering.streams, ordering.vocabulary.size
    segments = int(rng.integers(1, 6))
    groups = rng.integers(0, 4, segments + 1)
    state = rng.integers(0, 3, segments)
    least = rng.integers(0, 3, segments)
    most = least + rng.integers(1, 4, segments)
    hold = np.full((segments, streams), NONE)
    if streams > 1:
        hold[state == 2, 0] = rng.integers(7, size, (state == 2).sum())
    prefix = rng.integers(0, size, (rng.integers(1, 6), streams))
    return DecodingScript(
        prefix=prefix.astype(np.int32),
        text_len=1,
        positions=np.arange(len(prefix), dtype=np.int32),
        next_position=int(rng.integers(0, 5)),
        count=0,
        forced=rng.integers(0, size, (groups.sum(), streams)).astype(np.int32),
        offset=np.concatenate([[0], np.cumsum(groups)]),
        hold=hold,
        state=state,
        least=least,
        most=most,
    )


def plain(model, ordering, decoder, script, name, seed):
    """The script driven with uncached logits, one utterance alone."""
    key = torch.tensor([utterance_key(seed, name)])
    step = 0

    def choose(rows, segment, allowed):
        nonlocal step
        ids = torch.tensor(np.array(rows), dtype=torch.int64)
        places = torch.tensor(positions_of(ordering, script, rows))
        hidden = model(ids, places, [len(ids)], [script.text_len])
        sampled = model.sampled.numpy()
        barred = ~torch.from_numpy(allowed[:, sampled])
        numbers = uniforms(key, torch.tensor([step]), 2 * ordering.streams)
        codes = torch.from_numpy(ordering.vocabulary.mask("codes")[sampled])
        step += 1
        row = torch.full((ordering.streams,), NONE)
        for s in range(ordering.streams):
            logits = model.logits(hidden[-1], row)[s].masked_fill(barred[s], float("-inf"))
            drawn = decoder(logits[None], numbers[:, 2 * s : 2 * s + 2], torch.zeros(1, 0), codes)[0]
            held = script.hold[segment, s]
            row[s] = int(sampled[drawn]) if held == NONE else int(held)
        return row.tolist()

    with torch.inference_mode():
        return drive(script, ordering.states, ordering.positions, choose)


def positions_of(ordering, script, rows):
    """Positions as `drive` counts them, from the rows alone (token positions only)."""
    extra = len(rows) - len(script.prefix)
    return [*script.positions, *range(script.next_position, script.next_position + extra)]


def tiny(ordering, **options):
    torch.manual_seed(0)
    options = {"layers": 2, "width": 16, "heads": 2, "ffn": 32, **options}
    model = ARModel.of(ordering, ModelOptions(**options)).eval()
    with torch.no_grad():
        model.table.mul_(3)  # sharper choices
        if model.depth is not None:
            model.depth.weight.normal_(0, 0.5)
    return model


@pytest.mark.parametrize("width", [1, 2, 3, None])
@pytest.mark.parametrize(("streams", "depth"), [(1, False), (3, False), (3, True)])
def test_engine_equals_the_plain_meaning(streams, depth, width):
    rng = np.random.default_rng(streams)
    ordering = fake_ordering(streams, "token", depth)
    model = tiny(ordering)
    scripts = [fake_script(ordering, rng) for _ in range(12)]
    names = [f"u{i}" for i in range(len(scripts))]
    decoder = decoders.create("nucleus", {"top_p": 0.95})
    made = Engine(model, ordering, decoder, batch=5, width=width).decode(names, scripts, seed=3)
    for name, script, decoded in zip(names, scripts, made, strict=True):
        driven = plain(model, ordering, decoder, script, name, 3)
        assert np.array_equal(decoded.ids, driven.ids)
        assert decoded.cuts == driven.cuts.sum()
        assert decoded.last_cut == driven.cuts[-1]
        assert decoded.steps == driven.steps


@pytest.mark.parametrize(("name", "options"), BUILT_IN)
@pytest.mark.parametrize(("attention", "quantize"), [("causal", "none"), ("full", "none"), ("causal", "int8")])
def test_rows_do_not_depend_on_their_neighbours(name, options, attention, quantize):
    ordering = orderings.create(name, options)
    ordering.bind(PHONES, 16)
    model = tiny(ordering, text_attention=attention)
    rng = np.random.default_rng(0)
    said = [random_utterance(rng, 16, ordering.codebooks) for _ in range(9)]
    scripts = [ordering.script(request_at(u, u.frames // 3)) for u in said]
    names = [f"u{i}" for i in range(9)]
    decoder = decoders.create("ras", {"top_p": 0.9})
    together = Engine(model, ordering, decoder, 9, quantize=quantize).decode(names, scripts)
    for i in range(9):
        single = Engine(model, ordering, decoder, 1, quantize=quantize)
        alone = single.decode(names[i : i + 1], scripts[i : i + 1])[0]
        assert np.array_equal(alone.ids, together[i].ids)
    again = Engine(model, ordering, decoder, 4, quantize=quantize).decode(names, scripts, seed=1)
    assert any(not np.array_equal(a.ids, b.ids) for a, b in zip(again, together, strict=True))


class Stubborn:
    """A model without weights that always prefers one end of the ids: the worst allowed token."""

    def __init__(self, ordering, sign):
        size = ordering.vocabulary.size
        self.table = torch.zeros(1)
        self.sampled = self.column = torch.arange(size)
        self.scores = sign * torch.arange(size, dtype=torch.float32)
        self.streams = ordering.streams

    def eval(self):
        return self

    def cached(self, dtype):
        return self

    def cache(self, rows, length):
        return SimpleNamespace(entries=torch.zeros(1, 1, rows, 1, length, 1), length=10**9)

    def prefill(self, ids, positions, lengths, text_lens, cache, rows):
        return torch.zeros(len(lengths), 1)

    def step(self, ids, positions, cache, start, reach, level):
        return torch.zeros(*ids.shape[:2], 1)

    def after(self, ids):
        return None

    def logits(self, hidden):
        return self.scores.expand(len(hidden), self.streams, -1)


@pytest.mark.parametrize("positions", ["token", "frame"])
def test_positions_are_those_of_the_plain_meaning(positions):
    rng = np.random.default_rng(5)
    ordering = fake_ordering(2, positions)
    for _ in range(30):
        script = fake_script(ordering, rng)
        model = Stubborn(ordering, 1)
        fed = list(zip(script.prefix.tolist(), script.positions.tolist(), strict=True))
        plain_step = model.step

        def step(ids, places, *rest, fed=fed, plain_step=plain_step):
            fed.extend(zip(ids[0].tolist(), places[0].tolist(), strict=True))
            return plain_step(ids, places, *rest)

        model.step = step
        Engine(model, ordering, decoders.create("greedy"), width=1).decode(["u"], [script])
        driven = drive(
            script,
            ordering.states,
            positions,
            lambda _r, _k, allowed: allowed.shape[1] - 1 - allowed[:, ::-1].argmax(1),
        )
        wanted = list(zip(driven.ids.tolist(), driven.positions.tolist(), strict=True))
        closing = int(script.offset[-1] - script.offset[-2])
        # neither the closing rows nor the very last sampled row need to be fed
        assert fed == wanted[: len(wanted) - closing - 1]


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1, 2]), st.sampled_from([1, -1]))
def test_thousands_of_scripts_end_within_their_bound_under_the_worst_model(seed, streams, sign):
    rng = np.random.default_rng(seed)
    ordering = fake_ordering(streams, "frame")
    scripts = [fake_script(ordering, rng) for _ in range(200)]
    engine = Engine(Stubborn(ordering, sign), ordering, decoders.create("greedy"), batch=64)
    for script, decoded in zip(scripts, engine.decode([str(i) for i in range(200)], scripts), strict=True):
        assert decoded.steps <= script.bound


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("name", "options"), BUILT_IN)
def test_the_built_in_orderings_end_under_the_worst_model(name, options, sign):
    ordering = orderings.create(name, options)
    ordering.bind(PHONES, 16)
    rng = np.random.default_rng(1)
    said = [random_utterance(rng, 16, ordering.codebooks) for _ in range(500)]
    scripts = [ordering.script(request_at(u, int(rng.integers(0, u.frames)))) for u in said]
    engine = Engine(Stubborn(ordering, sign), ordering, decoders.create("greedy"), batch=100)
    for script, decoded in zip(scripts, engine.decode([str(i) for i in range(500)], scripts), strict=True):
        assert decoded.steps <= script.bound
        assert len(ordering.restore(decoded.ids).codes)


def test_later_stages_follow():
    ordering = orderings.create("concat")
    ordering.bind(PHONES, 16)
    utterance = random_utterance(np.random.default_rng(0), 16, 1)
    second = ordering.script(request_at(utterance, 3))
    first = ordering.script(request_at(utterance, 1))
    object.__setattr__(first, "next", lambda rows: second if len(rows) else None)
    engine = Engine(tiny(ordering), ordering, decoders.create("greedy"))
    staged = engine.decode(["u"], [first])[0]
    assert np.array_equal(staged.ids, engine.decode(["u"], [second])[0].ids)


def test_uniforms_are_uniform_and_depend_on_all_they_are_made_of():
    keys = torch.tensor([utterance_key(0, "a"), utterance_key(0, "b"), utterance_key(1, "a")])
    drawn = torch.stack([uniforms(keys, torch.full((3,), step), 4) for step in range(5000)]).double()
    assert drawn.min() >= 0 and drawn.max() < 1
    assert drawn.flatten().unique().numel() > 0.99 * drawn.numel()
    columns = drawn.permute(1, 2, 0).reshape(12, -1)
    assert (columns.mean(dim=1) - 0.5).abs().max() < 0.02
    assert (columns.var(dim=1) - 1 / 12).abs().max() < 0.005
    assert (torch.corrcoef(columns) - torch.eye(12)).abs().max() < 0.08
