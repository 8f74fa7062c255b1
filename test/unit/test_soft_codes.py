import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_training import BOOKS, SIZE, Speech, described, objective_of

from ellav.errors import UserError
from ellav.train.config import TrainConfig
from ellav.train.objectives import NARObjective
from ellav.train.soft_codes import soft_codes, targets_of


@settings(max_examples=30, deadline=None)
@given(size=st.integers(2, 40), perplexity=st.floats(1.01, 60), scale=st.floats(0.01, 100), seed=st.integers(0, 99))
def test_each_code_is_the_likeliest_of_its_row_which_has_the_perplexity_asked_for(size, perplexity, scale, seed):
    vectors = np.random.default_rng(seed).normal(size=(2, size, 5)) * scale
    made = soft_codes(vectors, perplexity)
    assert made.dtype == torch.float32 and made.shape == (2, size, size)
    torch.testing.assert_close(made.sum(-1), torch.ones(2, size))
    assert torch.equal(made.argmax(-1), torch.arange(size).expand(2, -1))
    spread = torch.special.entr(made.double()).sum(-1).exp()
    expected = torch.full((2, size), min(perplexity, size**0.99), dtype=torch.float64)
    torch.testing.assert_close(spread, expected, rtol=0.02, atol=0.02)


def test_what_sounds_more_alike_is_more_probable():
    vectors = np.array([[[1.0], [1.1], [2.0], [9.0]]])
    row = soft_codes(vectors, 2)[0, 0]
    assert row[0] > row[1] > row[2] > row[3]


def test_codes_that_stand_for_nothing_stay_alone():
    vectors = np.random.default_rng(0).normal(size=(1, 6, 3))
    vectors[0, 4:] = 0
    made = soft_codes(vectors, 3)[0]
    assert torch.equal(made[4:], torch.eye(6)[4:])
    assert not made[:4, 4:].any()


def nar_losses(soft, training: bool) -> list[float]:
    objective = objective_of(described("nar"))
    objective.soft = soft
    objective.train(training)
    rng = np.random.default_rng(0)
    batch = objective.collate([objective.arrange(utterance, rng) for utterance in Speech(4)])
    return [float(objective(batch, measure)[0].detach()) for measure in (False, True)]


def test_a_target_of_one_code_is_the_loss_without_and_a_soft_one_is_learned_but_not_validated():
    alone = torch.eye(SIZE).expand(BOOKS, -1, -1)
    spread = soft_codes(np.random.default_rng(0).normal(size=(BOOKS, SIZE, 4)), 4)
    hard = nar_losses(None, True)
    assert nar_losses(alone, True) == pytest.approx(hard)
    assert nar_losses(spread, True) != pytest.approx(hard, rel=1e-3)
    assert nar_losses(spread, False) == pytest.approx(nar_losses(None, False))


class Codec:
    """Of two codebooks, the first of which is asked for."""

    def vectors(self):
        return np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def test_a_codec_that_tells_no_vectors_has_targets_of_one_code_only():
    assert targets_of(Codec(), 1, 1) is None
    assert torch.equal(targets_of(Codec(), 1, 3), soft_codes(Codec().vectors()[:1], 3))
    assert targets_of(object(), 1, 1) is None
    with pytest.raises(UserError, match="soft_codes=3: this codec tells no vectors"):
        targets_of(object(), 1, 3)


def test_fewer_codes_than_one_are_refused():
    with pytest.raises(ValueError, match=r"soft_codes must be at least 1, not 0\.5"):
        TrainConfig(max_steps=1, soft_codes=0.5)


@pytest.mark.parametrize("power", [0.0, 1.0, 3.0])
def test_codebooks_are_drawn_in_proportion_to_a_power_of_their_level(power):
    objective = objective_of(described("nar"))
    objective = NARObjective(objective.model, (1, 4), power)
    rng, utterance = np.random.default_rng(0), Speech(1)[0]
    drawn = [objective.arrange(utterance, rng).codebook for _ in range(3000)]
    assert set(drawn) == {1, 2}
    assert drawn.count(1) / drawn.count(2) == pytest.approx(2**power, rel=0.15)


@pytest.mark.parametrize("wrong", [-1.0, 11.0, float("nan")])
def test_what_is_no_power_is_refused(wrong):
    with pytest.raises(ValueError, match="level_power must be from 0 to 10, not"):
        TrainConfig(max_steps=1, level_power=wrong)
