"""The scorer phone_error: a recogniser learned from the corpus, on sounds that stand for phones."""

from itertools import pairwise

import numpy as np
import pytest

from ellav.errors import UserError
from ellav.plugins.scorers import Scored, scorers
from ellav.plugins.scorers.ctc import RATE, heard
from ellav.plugins.scorers.phone_error import distance
from ellav.testing import check_scorer

SOUNDS = {"a": (700, 1200), "i": (300, 2300), "u": (350, 800), "s": None}
OPTIONS = {"passes": 15, "width": 32}


def said(phones, rng, voice=120.0):
    """(samples,) float32: vowels as harmonics near two formants, `s` as noise, 0.15 s each, silence around."""
    time = np.arange(round(0.15 * RATE)) / RATE
    parts = [np.zeros(RATE // 10)]
    for phone in phones:
        pitch = 2 * voice if phone.endswith("5") else voice
        formants = SOUNDS[phone.rstrip("15")]
        if formants is None:
            parts.append(0.1 * rng.normal(size=len(time)))
            continue
        tones = np.arange(1, 3500 // pitch) * pitch
        loud = sum(np.exp(-(((tones - formant) / 150) ** 2)) for formant in formants) + 1e-3
        parts.append(0.1 * (loud[:, None] * np.sin(2 * np.pi * tones[:, None] * time)).sum(axis=0))
    wav = np.concatenate([*parts, np.zeros(RATE // 10)])
    return (wav + 1e-4 * rng.normal(size=len(wav))).astype(np.float32)


def recordings(count, seed, phones=("a", "i", "u", "s")):
    rng = np.random.default_rng(seed)
    made = []
    for number in range(count):
        spoken = [phones[place] for place in rng.integers(0, len(phones), rng.integers(3, 8))]
        wav = said(spoken, rng, rng.uniform(100, 180))
        made.append(Scored(f"u{number}", "x", "w", wav, RATE, phones=("sp", *spoken, "sp")))
    return made


@pytest.fixture(scope="module")
def listener():
    scorer = scorers.create("phone_error", OPTIONS)
    scorer.enrolled = scorer.learn(iter(recordings(96, 0)))
    return scorer


def rate(scorer, utterances):
    errors, phones = np.sum([scorer.score(one)["phone_error"] for one in utterances], axis=0)
    return errors / phones


def test_what_was_learned_is_heard_in_other_recordings(listener):
    held_out = recordings(12, 1)
    assert rate(listener, held_out) < 25
    others = [Scored(a.id, "x", "w", a.wav, RATE, phones=b.phones) for a, b in pairwise(held_out)]
    assert rate(listener, others) > 50


def test_silence_and_nothing_are_all_missing(listener):
    for wav in (np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        errors, phones = listener.score(Scored("u", "x", "w", wav, RATE, phones=("sp", "a", "i", "sp")))["phone_error"]
        assert phones == 2 and errors >= 100
    assert listener.score(Scored("u", "x", "w", np.zeros(RATE, np.float32), RATE)) == {}


def test_the_same_recordings_teach_the_same():
    made = [scorers.create("phone_error", {"passes": 1, "width": 8}).learn(recordings(6, 2)) for _ in range(2)]
    assert all(np.array_equal(made[0][name], made[1][name]) for name in made[0])
    assert list(made[0]["phones"]) == ["a", "i", "s", "u"] and scorers.create("phone_error").learn([]) == {}


def test_no_more_is_read_than_asked_for():
    taken = []
    scorers.create("phone_error", {"passes": 1, "width": 8, "minutes": 0.05}).learn(
        taken.append(one) or one for one in recordings(20, 3)
    )
    assert 2 <= len(taken) < 6


def test_the_height_of_a_voice_is_among_what_is_heard():
    rng = np.random.default_rng(0)
    low, high = (heard(said(["a"], rng, voice))[20, -20:] for voice in (110, 220))
    assert np.abs(low - high).max() > 0.3


def test_distance_of_phones():
    assert distance(list("abc"), list("abc")) == 0 and distance(list("abc"), []) == 3
    assert distance(list("abc"), list("axcd")) == 2 and distance([], list("ab")) == 2


def test_the_contract_is_kept():
    options = {"passes": 1, "width": 8}
    check_scorer(scorers.create("phone_error", options), scorers.create("phone_error", options), cases=2)
    with pytest.raises(UserError, match="option 'passes' must be above 0"):
        scorers.create("phone_error", {"passes": 0})
