"""Silence that no text tells of: pauses between words as phones, and the ends of recordings."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.silence import trim, with_pauses
from ellav.plugins.aligners import Alignment
from ellav.plugins.aligners.intervals import Interval, Matching
from ellav.plugins.text import Phones
from ellav.types import SILENCE

SAID = Phones(["sp", "B", "OY1", "K", "AH1", "M", "sp"], [-1, 0, 0, 1, 1, 1, -1], ["BOY", "COME"])
ENDS = np.array([0.2, 0.3, 0.9, 1.0, 1.1, 1.2, 1.5])


def pauses(at: int, seconds: float) -> np.ndarray:
    found = np.zeros(len(ENDS))
    found[at] = seconds
    return found


def test_a_pause_becomes_a_phone_of_its_own():
    phones, ends, places = with_pauses(SAID, Alignment(ENDS, 0.0, pauses(2, 0.4)), 0.1)
    assert phones.phones == ["sp", "B", "OY1", "sp", "K", "AH1", "M", "sp"]
    assert phones.word_of_phone == [-1, 0, 0, -1, 1, 1, 1, -1] and phones.words == SAID.words
    np.testing.assert_allclose(ends, [0.2, 0.3, 0.5, 0.9, 1.0, 1.1, 1.2, 1.5])
    assert places.tolist() == [3]


@pytest.mark.parametrize("told", [None, pauses(2, 0.05)])
def test_what_is_no_pause_stays_in_the_phone_before(told):
    phones, ends, places = with_pauses(SAID, Alignment(ENDS, 0.0, told), 0.1)
    assert phones == SAID and len(places) == 0
    np.testing.assert_array_equal(ends, ENDS)


@given(st.lists(st.tuples(st.floats(0.01, 0.5), st.floats(0, 1)), min_size=1, max_size=12), st.floats(0.01, 0.4))
def test_pauses_taken_out_again_leave_the_text_and_all_the_time(phones, least):
    durations = np.array([duration for duration, _ in phones])
    silent = np.array([duration * share for duration, share in phones])
    said = Phones([f"p{i}" for i in range(len(phones))], list(range(len(phones))), ["w"] * len(phones))
    made, ends, places = with_pauses(said, Alignment(np.cumsum(durations), 0.0, silent), least)
    assert all(made.phones[place] == SILENCE and made.word_of_phone[place] == -1 for place in places)
    assert np.delete(np.array(made.phones, object), places).tolist() == said.phones
    lasting = np.diff(ends, prepend=0)
    assert (lasting >= -1e-9).all() and ends[-1] == pytest.approx(durations.sum())
    assert (lasting[places] >= least - 1e-9).all() and len(places) == (silent >= least).sum()


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=9), st.integers(0, 20))
def test_trimming_takes_silence_from_the_ends_alone(phones, most):
    durations = np.array([duration for duration, _ in phones], np.int32)
    silent = np.array([is_silent for _, is_silent in phones])
    kept, frames = trim(durations, silent, most)
    assert kept.sum() == frames.stop - frames.start
    np.testing.assert_array_equal(kept[1:-1], durations[1:-1])
    for end, cut in ((0, frames.start), (-1, durations.sum() - frames.stop)):
        if len(durations) > 1:
            assert kept[end] == (min(durations[end], most) if silent[end] else durations[end])
            assert cut == durations[end] - kept[end]


def test_alignments_from_outside_tell_their_pauses():
    times = [(0.2, 0.3, "B"), (0.3, 0.5, "OY1"), (0.5, 0.9, "sil"), (0.9, 1.0, "K"), (1.0, 1.1, "AH1"), (1.1, 1.2, "M")]
    made = Matching().align([Interval(*one) for one in times], SAID, 1.5)
    np.testing.assert_allclose(made.ends, ENDS)
    np.testing.assert_allclose(made.pauses, pauses(2, 0.4), atol=1e-9)
