import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.durations import to_frames


@st.composite
def alignments(draw):
    silent = np.array(draw(st.lists(st.booleans(), min_size=1, max_size=30)))
    steps = draw(st.lists(st.floats(0, 0.3), min_size=len(silent), max_size=len(silent)))
    rate = draw(st.sampled_from([12.5, 40.0, 50.0, 75.0]))
    ends = np.cumsum(steps)
    frames = max(int((~silent).sum()), round(ends[-1] * rate) + draw(st.integers(-2, 2)))
    return ends, rate, frames, silent


@given(alignments())
def test_sums_to_frames_and_leaves_no_phone_empty(case):
    ends, rate, frames, silent = case
    durations = to_frames(ends, rate, frames, silent)
    assert durations.dtype == np.int32 and durations.shape == ends.shape
    assert durations.sum() == frames
    assert (durations >= np.where(silent, 0, 1)).all()


@given(alignments())
def test_no_legal_boundaries_lie_clearly_nearer(case):
    """The largest move is at most one frame above that of a plain forward and backward repair."""
    ends, rate, frames, silent = case
    least = np.where(silent, 0, 1)
    wanted = ends * rate
    repaired = np.floor(wanted + 0.5)
    repaired[-1] = frames
    for i in range(len(ends)):
        repaired[i] = max(repaired[i], (repaired[i - 1] if i else 0) + least[i])
    repaired[-1] = frames
    for i in range(len(ends) - 2, -1, -1):
        repaired[i] = min(repaired[i], repaired[i + 1] - least[i + 1])
    boundaries = np.cumsum(to_frames(ends, rate, frames, silent))
    inner = slice(0, len(ends) - 1)
    moved = np.abs(boundaries - wanted)[inner].max(initial=0)
    assert moved <= np.abs(repaired - wanted)[inner].max(initial=0) + 1


@given(st.lists(st.integers(1, 20), min_size=1, max_size=20), st.sampled_from([40.0, 50.0, 75.0]))
def test_exact_boundaries_come_back(durations, rate):
    ends = np.cumsum(durations) / rate
    assert to_frames(ends, rate, sum(durations), np.zeros(len(ends), bool)).tolist() == durations


def test_rounding_has_no_bias():
    """Over many alignments the boundaries lie neither early nor late."""
    generator = np.random.default_rng(0)
    moves = []
    for _ in range(200):
        ends = np.cumsum(generator.uniform(0.03, 0.2, 50))
        frames = round(ends[-1] * 50)
        boundaries = np.cumsum(to_frames(ends, 50, frames, np.zeros(50, bool)))
        moves.append(boundaries[:-1] - ends[:-1] * 50)
    assert abs(np.mean(moves)) < 0.02
    assert np.abs(moves).max() <= 0.5


def test_short_phones_take_frames_from_their_neighbours():
    ends = np.array([0.10, 0.101, 0.102, 0.20])  # two phones of 1 ms between two of 100 ms
    assert to_frames(ends, 50, 10, np.zeros(4, bool)).tolist() == [4, 1, 1, 4]


def test_silence_may_be_empty():
    assert to_frames([0.0, 0.1, 0.1], 50, 5, [True, False, True]).tolist() == [0, 5, 0]


@pytest.mark.parametrize(
    ("ends", "frames", "silent"),
    [
        ([0.1, 0.2], 1, [False, False]),
        ([0.2, 0.1], 10, [False, False]),
        ([0.1, np.nan], 10, [False, False]),
        ([0.1], 10, [False, False]),
        ([], 10, []),
    ],
)
def test_what_is_no_alignment_is_refused(ends, frames, silent):
    with pytest.raises(ValueError, match=r"frames|ends"):
        to_frames(np.array(ends, dtype=float), 50, frames, np.array(silent, dtype=bool))
