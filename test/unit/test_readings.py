"""Which of several readings is spoken."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_infer import crossed, pipeline

from ellav.errors import UserError
from ellav.infer.asked import check_readings, check_seed
from ellav.infer.pipeline import Pipeline
from ellav.infer.readings import aligned_by, ranked, speak_best, told_of_silence, was_forced
from ellav.infer.synthesis import _summed
from ellav.plugins.aligners import Alignment, AlignmentError
from ellav.plugins.text import Phones

facts = st.fixed_dictionaries(
    {
        "cuts": st.sampled_from([0, 0, 1, 3]),
        "hit_bound": st.booleans(),
        "confidence": st.none() | st.floats(-50, 0),
        "ar_confidence": st.none() | st.floats(-50, 0),
    },
    optional={"alignment_score": st.none() | st.sampled_from([-7.5, -3.0, 0.0])},
)


@given(st.lists(facts, max_size=8))
def test_forced_readings_rank_last_and_those_first_that_fit_and_are_sure(several):
    readings = [SimpleNamespace(facts=each, number=i) for i, each in enumerate(several)]
    made = ranked(readings)
    assert sorted(reading.number for reading in made) == list(range(len(readings)))
    forced = [was_forced(reading.facts) for reading in made]
    assert forced == sorted(forced)
    for some in ([r for r in made if not was_forced(r.facts)], [r for r in made if was_forced(r.facts)]):
        scores = [reading.facts.get("alignment_score") for reading in some]
        known = [score for score in scores if score is not None]
        count, half = len(known), (len(known) + 1) // 2
        assert None not in scores[:count]
        assert sorted(scores[:half], reverse=True) == sorted(known, reverse=True)[:half]
        assert scores[half:count] == sorted(known, reverse=True)[half:]
        for name, alike in (("ar_confidence", some[:half]), ("confidence", some[count:])):
            worth = [lowest(reading.facts.get(name)) for reading in alike]
            assert worth == sorted(worth, reverse=True)


def lowest(value):
    return -np.inf if value is None else value


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
            assert all(speech.facts[f"{part}seconds"] >= 0 for part in ("ar_", "nar_", "codec_", ""))


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


@pytest.mark.parametrize("group", [128, 3])
def test_a_judge_hears_every_reading_and_its_favourite_is_spoken(group, monkeypatch):
    monkeypatch.setattr("ellav.infer.readings.was_forced", lambda facts: False)  # as untrained models' often are
    speaker, requests = pipeline("interleaved", "aligned"), crossed(4)
    speaker.group = group
    alone = {
        (request.id, seed): speech
        for request in requests
        for seed in range(10, 13)
        for speech, _ in speak_best(speaker, [request], seed, 1)
    }
    wanted = dict(zip([request.id for request in requests], (12, 10, 11, 12), strict=True))
    heard = []

    def judge(speech):
        seed = next(seed for (name, seed), one in alone.items() if name == speech.id and same(one, speech))
        heard.append((speech.id, seed))
        return 0.0 if seed == wanted[speech.id] else None

    def same(one, other):
        return np.array_equal(one.codes, other.codes) and np.array_equal(one.wav, other.wav)

    made = speak_best(speaker, requests, 10, 3, judge)
    assert sorted(heard) == sorted(alone)
    for request, (speech, seed) in zip(requests, made, strict=True):
        assert seed == wanted[request.id] and same(speech, alone[request.id, seed])
        assert speech.facts["alignment_score"] == 0.0
    speech, seed = speak_best(speaker, requests[:1], 10, 1, judge)[0]
    assert seed == 10 and "alignment_score" not in speech.facts and len(heard) == len(alone)
    unjudged = speak_best(speaker, requests, 10, 3)
    for (speech, seed), (right, wanted_seed) in zip(
        speak_best(speaker, requests, 10, 3, lambda speech: None), unjudged, strict=True
    ):
        assert seed == wanted_seed and same(speech, right) and speech.facts["alignment_score"] is None


def test_a_judge_hears_nothing_silent_and_silent_readings_are_made_anew(monkeypatch):
    plain, judged, sounding = Pipeline.say, [], []

    def muted(self, readings, whole=False):
        return [
            replace(
                speech,
                wav=np.full_like(speech.wav, reading.seed in sounding),
                facts={**speech.facts, "seed": reading.seed},
            )
            for speech, reading in zip(plain(self, readings, whole), readings, strict=True)
        ]

    def judge(speech):
        judged.append(speech.facts["seed"])
        return 0.0 if speech.facts["seed"] == 1 else None

    monkeypatch.setattr(Pipeline, "say", muted)
    speaker, requests = pipeline("interleaved", "aligned"), crossed(1)
    for audible, right, looked_at in (([0, 1, 2], 1, [0, 1, 2]), ([2, 4], 2, [2]), ([4], 4, []), ([], 4, [])):
        judged.clear()
        sounding[:] = audible
        assert speak_best(speaker, requests, 0, 3, judge)[0][1] == right and judged == looked_at


def test_the_aligner_is_given_what_was_said_as_it_wants_it():
    tokens = SimpleNamespace(decode=lambda ids: [("sp", "HH", "AW1", "S")[i] for i in ids])
    given_to, scores = [], []

    class Listening:
        sample_rate = 8000

        def align(self, wav, phones):
            given_to.append((wav, phones))
            if scores[-1] is None:
                raise AlignmentError("the audio does not fit the text")
            return Alignment(np.arange(1.0, 8.0), scores[-1])

    speech = SimpleNamespace(
        wav=np.zeros(16000, np.float32),
        phones=np.array([0, 1, 2, 3, 0, 2, 0]),
        word_of_phone=np.array([-1, 4, 4, 4, -1, 5, -1]),
    )
    judge = aligned_by(Listening(), tokens, 16000)
    for score, wanted in ((-2.5, -2.5), (None, None), (float("nan"), None), (-np.inf, None)):
        scores.append(score)
        assert judge(speech) == wanted
    wav, phones = given_to[0]
    assert wav.shape == (8000,) and wav.dtype == np.float32
    assert phones == Phones(["sp", "HH", "AW1", "S", "sp", "AW1", "sp"], [-1, 0, 0, 0, -1, 1, -1], ["HH_AW1_S", "AW1"])


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
