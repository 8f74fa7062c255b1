"""Rates and lengths of phones that are asked for."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_infer import TOKENS, crossed, pipeline

from ellav.errors import UserError
from ellav.infer.asked import Request, bounded, check_rate
from ellav.infer.pacing import check_timed, scaled, timed
from ellav.plugins.text import Phones
from ellav.types import NONE

durations = st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=30)


@given(durations, st.floats(0.5, 2.0))
def test_durations_are_scaled_as_a_whole_and_no_phone_is_lost(some, rate):
    silent = np.array([quiet for _, quiet in some])
    frames = np.array([max(length, not quiet) for length, quiet in some])
    made = scaled(frames, np.full(len(frames), rate), silent)
    assert made.sum() == max(int(np.floor(frames.sum() / rate + 0.5)), (~silent).sum())
    assert (made >= np.where(silent, 0, 1)).all()
    assert np.array_equal(scaled(frames, np.ones(len(frames)), silent), frames)
    if (frames / rate >= 2).all():
        assert (np.abs(np.cumsum(made) - np.cumsum(frames / rate)) <= 0.5 + 1e-9).all()


def asked_of(request, **lengths):
    """The public request of what is to be decoded."""
    begun = len(request.durations)
    owners = request.word_of_phone[begun:]
    owners = np.where(owners >= 0, owners - owners.max(initial=0), owners)
    owners = np.where(owners >= 0, owners, NONE) if (owners >= 0).any() else owners
    phones = TOKENS.decode(request.phones[begun:])
    return Request(request.id, Phones(phones, owners.tolist(), [request.id]), **lengths)


@pytest.mark.parametrize(("name", "text"), [("interleaved", "aligned"), ("word_block", "aligned")])
@pytest.mark.parametrize("rate", [0.6, 1.5])
def test_phones_last_as_long_as_the_rate_says(name, text, rate):
    speaker, requests = pipeline(name, text), crossed(5)
    asked = [asked_of(request, rate=rate) for request in requests]
    free = list(speaker.speak(requests, 3))
    for request, before, after in zip(
        requests, free, speaker.speak(timed(speaker, requests, asked, 3), 3), strict=True
    ):
        wanted = scaled(before.durations, np.full(len(before.phones), rate), before.word_of_phone < 0)
        assert len(after.codes) == wanted.sum() == after.durations.sum() and after.facts["cuts"] == 0
        if name == "interleaved":
            assert np.array_equal(after.durations, wanted)
        ends = np.flatnonzero(np.diff(request.word_of_phone[len(request.durations) :], append=-9))
        assert np.array_equal(np.cumsum(after.durations)[ends], np.cumsum(wanted)[ends])


def test_who_asks_for_nothing_gets_the_same_and_nothing_is_decoded_for_it(monkeypatch):
    speaker, requests = pipeline("interleaved", "aligned"), crossed(3)
    monkeypatch.setattr(type(speaker), "begin", None)
    made = timed(speaker, requests, [asked_of(request) for request in requests], 0)
    assert all(one is other for one, other in zip(made, requests, strict=True))


def test_what_comes_before_a_slow_word_is_said_as_without_it():
    speaker, requests = pipeline("interleaved", "aligned"), crossed(6)
    kept = []
    for request in requests:
        own = request.word_of_phone[len(request.durations) :]
        rate = np.where(np.arange(len(own)) >= len(own) // 2, 0.5, 1.0)
        before = next(speaker.speak([request], 1))
        after = next(speaker.speak(timed(speaker, [request], [asked_of(request, rate=rate)], 1), 1))
        same = int(before.durations[: len(own) // 2].sum()) - speaker.engine.ordering.lookahead
        kept.append(max(0, same))
        assert np.array_equal(before.codes[: kept[-1], 0], after.codes[: kept[-1], 0])
        assert len(after.codes) > len(before.codes)
    assert max(kept) > 10


@given(st.data())
def test_bounds_that_are_asked_for_hold_and_the_models_own_give_way(data):
    request = crossed(1)[0]
    count = len(request.phones) - len(request.durations)
    silent = request.word_of_phone[len(request.durations) :] < 0
    bound = st.integers(1, 40) | st.just(NONE)
    least, most = (np.array(data.draw(st.lists(bound, min_size=count, max_size=count))) for _ in range(2))
    most = np.where((least != NONE) & (most != NONE), np.maximum(least, most), most)
    asked = asked_of(request, least=least, most=most)
    made = bounded(request, asked)
    own_least, own_most = made.least[-count:], made.most[-count:]
    assert (own_least <= own_most).all() and (own_least >= np.where(silent, 0, 1)).all()
    assert np.array_equal(own_least[least != NONE], least[least != NONE])
    assert np.array_equal(own_most[most != NONE], most[most != NONE])
    free = (least == NONE) & (most == NONE)
    assert np.array_equal(own_least[free], request.least[-count:][free])
    assert np.array_equal(own_most[free], request.most[-count:][free])
    assert np.array_equal(made.least[:-count], request.least[:-count])


@pytest.mark.parametrize(
    ("lengths", "said"),
    [
        ({"rate": 3}, "rate=3.0 is no rate"),
        ({"rate": float("nan")}, "is no rate"),
        ({"rate": [1.0, 1.0]}, "rate should be a number, or one for each of 3 phones"),
        ({"least": "many"}, "least should be a whole number"),
        ({"least": [NONE, 5, NONE], "most": [NONE, 4, NONE]}, "phone 2, 'b', cannot have 5 to 4 frames"),
        ({"most": [3, 0, 3]}, "phone 2, 'b', cannot have -1 to 0 frames"),
        ({"least": -2}, "phone 1, 'sp', cannot have -2"),
        ({"least": 2.5}, "least should be a whole number"),
        ({"most": 10**30}, "most should be a whole number"),
        ({"language": 3}, "language=3 should be a string"),
        ({"pause": -1}, "pause=-1 s of silence; it can be 0 to 600"),
        ({"lead": float("nan")}, "lead=nan s of silence"),
        ({"pause": "long"}, "pause='long' s of silence"),
        ({"prompt_span": (3, 1)}, "should be two times of the prompt"),
        ({"prompt_span": "ab"}, "prompt_span='ab' should be two times"),
    ],
)
def test_requests_that_make_no_sense_are_refused(lengths, said):
    with pytest.raises(UserError, match=said):
        Request("b", Phones(["sp", "b", "sp"], [-1, 0, -1], ["B"]), **lengths)


@pytest.mark.parametrize("rate", [0, -1, 0.49, 2.01, True, "fast", None, float("inf")])
def test_what_is_no_rate(rate):
    with pytest.raises(UserError, match=r"is no rate: a number from 0\.5"):
        check_rate(rate)


def test_an_ordering_without_times_takes_no_rate():
    ordering = pipeline("concat", "prefix").engine.ordering
    request = asked_of(crossed(1)[0])
    check_timed([request], ordering)
    with pytest.raises(UserError, match="rate: the ordering concat of this model keeps no times"):
        check_timed([request, replace(request, rate=0.8)], ordering)
