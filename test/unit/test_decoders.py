"""The decoders: against transformers' filters, against algorithm 1, and their own laws."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ellav.errors import UserError
from ellav.plugins.decoders import decoders
from ellav.plugins.decoders.sampling import draw

NONE = -1
NO_HISTORY = torch.zeros(1, 0, dtype=torch.int64)


def chances(decoder, logits, history=NO_HISTORY, codes=None, grid=2000):
    """The share of an even grid of uniforms that leads to each id."""
    codes = torch.ones(len(logits), dtype=torch.bool) if codes is None else codes
    u = (torch.arange(grid) + 0.5) / grid
    uniforms = torch.stack([u, u.flip(0)], dim=1)
    history = history.expand(grid, -1)
    ids = decoder(logits.expand(grid, -1), uniforms, history, codes)
    return torch.bincount(ids, minlength=len(logits)) / grid


finite = hnp.arrays(np.float32, st.integers(2, 12), elements=st.floats(-6, 6, width=32))


def some_codes(data, count):
    return torch.tensor(data.draw(st.lists(st.booleans(), min_size=count, max_size=count)))


def expected(warper, logits, codes, keep_triggers):
    """What to sample from: transformers' filter over all ids, or over the codes, triggers as they are."""
    if not keep_triggers:
        return warper(None, logits[None])[0].softmax(-1)
    whole = logits.softmax(-1)
    if not codes.any():
        return whole
    filtered = warper(None, logits[codes][None])[0].softmax(-1)
    return whole.masked_scatter(codes, filtered * whole[codes].sum())


@settings(max_examples=60)
@given(finite, st.floats(0.05, 1.0), st.floats(0.3, 2.0), st.booleans(), st.data())
def test_nucleus_samples_what_transformers_keeps(values, top_p, temperature, keep_triggers, data):
    from transformers import TopPLogitsWarper

    logits = torch.from_numpy(values)
    codes = some_codes(data, len(logits))
    probabilities = (logits / temperature)[codes if keep_triggers else slice(None)].softmax(-1)
    mass = probabilities.sort(descending=True).values.cumsum(0)
    if len(mass) and ((mass - top_p).abs().min() < 1e-4 or len(probabilities.unique()) < len(probabilities)):
        return  # at a tie the two may keep another one of two equal sets
    right = expected(TopPLogitsWarper(top_p), logits / temperature, codes, keep_triggers)
    options = {"top_p": top_p, "temperature": temperature, "keep_triggers": keep_triggers}
    assert (chances(decoders.create("nucleus", options), logits, codes=codes) - right).abs().max() < 2e-3


@settings(max_examples=60)
@given(finite, st.integers(1, 12), st.booleans(), st.data())
def test_topk_samples_what_transformers_keeps(values, k, keep_triggers, data):
    from transformers import TopKLogitsWarper

    logits = torch.from_numpy(values)
    codes = some_codes(data, len(logits))
    right = expected(TopKLogitsWarper(k), logits, codes, keep_triggers)
    decoder = decoders.create("topk", {"k": k, "keep_triggers": keep_triggers})
    assert (chances(decoder, logits, codes=codes) - right).abs().max() < 2e-3


@pytest.mark.parametrize("name", ["nucleus", "topk", "ras"])
def test_a_trigger_is_as_likely_as_the_model_has_it(name):
    logits = torch.tensor([1.0, 0.5, 3.0, 0.0, -1.0, -2.0])
    codes = torch.tensor([False, False, True, True, True, True])
    decoder = decoders.create(name, {"k": 1} if name == "topk" else {"top_p": 0.1})
    for heard in (NONE, 2):  # the likeliest code has been heard too often
        history = torch.full((1, decoder.history), heard)
        found = chances(decoder, logits, history, codes)
        assert (found - logits.softmax(0))[~codes].abs().max() < 2e-3


def test_topk_tells_logits_apart_whose_probabilities_are_one():
    decoder = decoders.create("topk", {"k": 1})
    assert chances(decoder, torch.tensor([0.0, 1e-30]))[1] == 1


def test_greedy_and_the_limits_of_the_others_agree():
    logits = torch.tensor([0.1, 2.0, -1.0, 1.9])
    for name, options in (("greedy", {}), ("topk", {"k": 1}), ("nucleus", {"top_p": 0.0})):
        assert chances(decoders.create(name, options), logits)[1] == 1


@settings(max_examples=50)
@given(finite, st.sampled_from(["greedy", "topk", "nucleus", "ras"]), st.data())
def test_forbidden_ids_are_never_chosen(values, name, data):
    logits = torch.from_numpy(values)
    allowed = data.draw(st.sets(st.integers(0, len(values) - 1), min_size=1))
    for i in range(len(values)):
        if i not in allowed:
            logits[i] = float("-inf")
    decoder = decoders.create(name)
    history = torch.zeros(1, decoder.history, dtype=torch.int64)
    found = chances(decoder, logits, history, grid=200)
    assert set(torch.nonzero(found).flatten().tolist()) <= allowed


def test_draw_survives_the_ends_of_the_interval():
    weights = torch.tensor([[0.0, 0.3, 0.0, 0.7, 0.0]])
    assert draw(weights, torch.tensor([0.0])).item() == 1
    assert draw(weights, torch.tensor([1 - 2**-24])).item() == 3


def test_ras_draws_a_repeated_code_again_from_everything():
    logits = torch.tensor([5.0, 0.0, 0.0, 0.0])
    decoder = decoders.create("ras", {"top_p": 0.0, "window": 10, "threshold": 0.1})
    fresh = torch.tensor([[NONE] * 9 + [0]])
    assert chances(decoder, logits, fresh)[0] == 1  # 1 of 10 is not more than a tenth
    stale = torch.tensor([[NONE] * 8 + [0, 0]])
    assert (chances(decoder, logits, stale) - logits.softmax(0)).abs().max() < 2e-3


def test_as_in_its_paper_ras_replaces_a_code_by_any_id():
    logits = torch.tensor([5.0, 3.0, 0.0])
    codes = torch.tensor([True, False, True])
    decoder = decoders.create("ras", {"top_p": 0.0, "keep_triggers": False})
    stale = torch.zeros(1, 10, dtype=torch.int64)
    assert (chances(decoder, logits, stale, codes) - logits.softmax(0)).abs().max() < 2e-3


def test_ras_never_rejects_a_trigger():
    logits = torch.tensor([5.0, 0.0, 0.0, 0.0])
    decoder = decoders.create("ras", {"top_p": 0.0, "keep_triggers": False})
    codes = torch.tensor([False, True, True, True])
    assert chances(decoder, logits, torch.zeros(1, 10, dtype=torch.int64), codes)[0] == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [("nucleus", {"top_p": 1.2}), ("topk", {"k": 0}), ("ras", {"window": 0}), ("nucleus", {"temperature": 0})],
)
def test_senseless_options_are_refused(name, options):
    with pytest.raises(UserError, match=name):
        decoders.create(name, options)
