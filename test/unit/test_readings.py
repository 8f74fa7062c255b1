"""Which of several readings is spoken."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_infer import crossed, pipeline

from ellav.errors import UserError
from ellav.infer.asked import check_readings, check_seed
from ellav.infer.pipeline import Pipeline
from ellav.infer.readings import ranked, speak_best, told_of_silence, was_forced
from ellav.infer.synthesis import _summed

facts = st.fixed_dictionaries(
    {
        "cuts": st.sampled_from([0, 0, 1, 3]),
        "hit_bound": st.booleans(),
        "confidence": st.none() | st.floats(-50, 0),
    }
)


@given(st.lists(facts, min_size=1, max_size=8))
def test_forced_readings_rank_last_and_surer_ones_first(several):
    readings = [SimpleNamespace(facts=each, number=i) for i, each in enumerate(several)]
    made = ranked(readings)
    assert sorted(reading.number for reading in made) == list(range(len(readings)))
    for one, other in pairwise(made):
        a, b = (-np.inf if r.facts["confidence"] is None else r.facts["confidence"] for r in (one, other))
        forced = was_forced(one.facts), was_forced(other.facts)
        assert forced < (True, False) or forced == (True, True)
        assert forced[0] != forced[1] or a > b or (a == b and one.number < other.number)


@pytest.mark.parametrize(("name", "text"), [("interleaved", "aligned"), ("concat", "prefix")])
@pytest.mark.parametrize("group", [128, 3])
def test_each_text_gets_the_best_of_its_own_readings(name, text, group):
    speaker, requests = pipeline(name, text), crossed(4)
    speaker.group = group
    made = speak_best(speaker, requests, 10, 4)
    used = []
    for request, (speech, seed) in zip(requests, made, strict=True):
        alone = [speaker.read([request], seed, confidence=True)[0] for seed in range(10, 14)]
        best = ranked(alone)[0]
        assert seed == best.seed and np.array_equal(speech.codes, best.codes[len(request.codes) :])
        assert speech.facts["confidence"] == pytest.approx(best.facts["confidence"], rel=1e-5)
        used.append(seed)
    assert len(set(used)) > 1


def test_the_first_reading_is_the_only_one_where_one_is_asked_for():
    speaker, requests = pipeline("interleaved", "aligned"), crossed(3)
    plain = list(speaker.speak(requests, 7))
    for best_of in (None, 1):
        for (speech, seed), right in zip(speak_best(speaker, requests, 7, best_of), plain, strict=True):
            assert seed == 7 and np.array_equal(speech.codes, right.codes) and np.array_equal(speech.wav, right.wav)
            assert ("confidence" in speech.facts) == (best_of is not None)
            assert speech.facts.keys() - {"confidence", "ar_confidence", "nar_confidence"} == right.facts.keys()


def test_silent_readings_are_passed_over_and_only_what_may_be_spoken_is_made_audible(monkeypatch):
    plain, sounded = Pipeline.say, []

    def muted(self, readings, whole=False):
        sounded.extend(reading.seed for reading in readings)
        return [
            replace(speech, wav=np.full_like(speech.wav, reading.seed in heard))
            for speech, reading in zip(plain(self, readings, whole), readings, strict=True)
        ]

    monkeypatch.setattr(Pipeline, "say", muted)
    speaker, requests = pipeline("interleaved", "aligned"), crossed(1)
    order = [reading.seed for reading in ranked(speaker.read(requests * 3, [0, 1, 2], confidence=True))]
    for heard, tried in (([0, 1, 2], order[:1]), ([order[1]], order[:2]), ([4], [*order, 3, 4]), ([], [*order, 3, 4])):
        sounded.clear()
        made = speak_best(speaker, requests, 0, 3)
        assert sounded == tried and made[0][1] == tried[-1]
        told = list(told_of_silence(["A."], made, 0, 3))
        wanted = {(4,): "each seed from 0 to 2; spoken with seed 4", (): "each seed from 0 to 4; say more in it"}
        assert told == ([f"'A.' came out silent with {wanted[tuple(heard)]}"] if tuple(heard) in wanted else [])


@pytest.mark.parametrize("wrong", [0, -1, 101, True, 2.0, "3", None])
def test_what_is_no_number_of_readings_is_refused(wrong):
    with pytest.raises(UserError, match=f"best_of={wrong!r} is no number of readings; give 1 to 100"):
        check_readings(wrong, "best_of")
    check_readings(3, "best_of")


@pytest.mark.parametrize("wrong", [-1, 1.5, 2**31, 10**30, float("nan"), float("inf"), True, None, "3"])
def test_what_is_no_seed_is_refused(wrong):
    with pytest.raises(UserError, match=f"seed={wrong!r} is no seed: a whole number from 0 to 2147483647"):
        check_seed(wrong)
    assert [check_seed(seed) for seed in (0, 3.0, np.int64(7), 2**31 - 1)] == [0, 3, 7, 2**31 - 1]


def test_of_parts_it_is_the_mean_over_their_frames():
    parts = [
        {"id": "a", "frames": 10, "hit_bound": False, "confidence": -2.0, "nar_confidence": None},
        {"id": "b", "frames": 30, "hit_bound": True, "confidence": -4.0, "nar_confidence": None},
        {"id": "c", "frames": 0, "hit_bound": False, "confidence": None, "nar_confidence": None},
    ]
    assert _summed(parts) == {"frames": 40, "hit_bound": True, "confidence": -3.5, "nar_confidence": None}
