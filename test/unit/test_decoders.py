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


@settings(max_examples=30)
@given(finite, st.floats(0.05, 1.0), st.floats(0.3, 2.0))
def test_nucleus_samples_what_transformers_keeps(values, top_p, temperature):
    from transformers import TopPLogitsWarper

    logits = torch.from_numpy(values)
    probabilities = (logits / temperature).softmax(-1)
    mass = probabilities.sort(descending=True).values.cumsum(0)
    if (mass - top_p).abs().min() < 1e-4 or len(probabilities.unique()) < len(probabilities):
        return  # at a tie the two may keep another one of two equal sets
    warped = TopPLogitsWarper(top_p)(None, (logits / temperature)[None])[0].softmax(-1)
    found = chances(decoders.create("nucleus", {"top_p": top_p, "temperature": temperature}), logits)
    assert (found - warped).abs().max() < 2e-3


@settings(max_examples=30)
@given(finite, st.integers(1, 12))
def test_topk_samples_what_transformers_keeps(values, k):
    from transformers import TopKLogitsWarper

    logits = torch.from_numpy(values)
    warped = TopKLogitsWarper(k)(None, logits[None])[0].softmax(-1)
    assert (chances(decoders.create("topk", {"k": k}), logits) - warped).abs().max() < 2e-3


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


def test_ras_never_rejects_a_trigger():
    logits = torch.tensor([5.0, 0.0, 0.0, 0.0])
    decoder = decoders.create("ras", {"top_p": 0.0})
    codes = torch.tensor([False, True, True, True])
    assert chances(decoder, logits, torch.zeros(1, 10, dtype=torch.int64), codes)[0] == 1


NONE = -1


@pytest.mark.parametrize(
    ("name", "options"),
    [("nucleus", {"top_p": 1.2}), ("topk", {"k": 0}), ("ras", {"window": 0}), ("nucleus", {"temperature": 0})],
)
def test_senseless_options_are_refused(name, options):
    with pytest.raises(UserError, match=name):
        decoders.create(name, options)
