"""Times of words and phones, and subtitles."""

import re
from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from ellav.infer.times import Interval, phone_times, word_times, write_srt

SUBTITLE = re.compile(r"(\d+)\n(\d\d+):(\d\d):(\d\d),(\d\d\d) --> (\d\d+):(\d\d):(\d\d),(\d\d\d)\n(.+)\n")


def read_srt(path):
    """(start, end, label) of each subtitle, whose numbers count from 1."""
    blocks = [SUBTITLE.fullmatch(f"{block}\n").groups() for block in path.read_text().rstrip("\n").split("\n\n")]
    assert [int(block[0]) for block in blocks] == list(range(1, len(blocks) + 1))
    seconds = [[sum(int(n) * m for n, m in zip(block[i : i + 4], (3600, 60, 1, 0.001), strict=True)) for i in (1, 5)]
               for block in blocks]  # fmt: skip
    return [(start, end, block[9]) for (start, end), block in zip(seconds, blocks, strict=True)]


@st.composite
def said(draw):
    """Phones, the word of each, durations, and spellings: words of 1 to 3 phones, with and without silence between."""
    phones, owners, count = [], [], draw(st.integers(1, 6))
    for word in range(count):
        if draw(st.booleans()):
            phones, owners = [*phones, "sp"], [*owners, -1]
        length = draw(st.integers(1, 3))
        phones, owners = [*phones, *"ABC"[:length]], [*owners, *[word] * length]
    durations = draw(st.lists(st.integers(0, 400), min_size=len(phones), max_size=len(phones)))
    return phones, np.array(owners), np.array(durations), [f"W{i}" for i in range(count)]


@given(said(), st.floats(5, 100))
def test_words_and_phones_follow_the_durations(case, rate):
    phones, owners, durations, words = case
    length = durations.sum() / rate
    heard = phone_times(phones, durations, rate)
    assert [one.label for one in heard] == [p for p, d in zip(phones, durations, strict=True) if d]
    np.testing.assert_allclose([one.end - one.start for one in heard], durations[durations > 0] / rate, atol=1e-9)
    spoken = word_times(phones, owners, durations, rate, words)
    assert [one.label for one in spoken] == [w for i, w in enumerate(words) if durations[owners == i].sum()]
    for one in spoken:
        frames = durations[owners == words.index(one.label)].sum()
        np.testing.assert_allclose(one.end - one.start, frames / rate, atol=1e-9)
    for times in (heard, spoken):
        edges = [edge for one in times for edge in one[:2]]
        assert edges == sorted(edges) and all(0 <= edge <= length for edge in edges)


@given(said(), st.floats(5, 100))
def test_subtitles_are_read_back(tmp_path_factory, case, rate):
    path = tmp_path_factory.mktemp("srt") / "a.srt"
    times = word_times(*case[:3], rate, case[3])
    if not times:
        return
    write_srt(path, times)
    back = read_srt(path)
    assert [one[2] for one in back] == [one.label for one in times]
    np.testing.assert_allclose([one[:2] for one in back], [one[:2] for one in times], atol=0.00051)
    for one, other in pairwise(back):
        assert one[1] <= other[0]


def test_hours_and_rounding_are_written_as_subrip_has_them(tmp_path):
    write_srt(
        tmp_path / "a.srt",
        [Interval(0.0, 59.9996, "A"), Interval(3599.9994, 36000.25, "B"), Interval(4e5, 4e5 + 1, "C")],
    )
    assert (tmp_path / "a.srt").read_text() == (
        "1\n00:00:00,000 --> 00:01:00,000\nA\n\n2\n00:59:59,999 --> 10:00:00,250\nB\n\n"
        "3\n111:06:40,000 --> 111:06:41,000\nC\n"
    )
    write_srt(tmp_path / "none.srt", [])
    assert (tmp_path / "none.srt").read_text() == ""


def test_without_spellings_words_are_their_phones():
    assert word_times(["sp", "HH", "AY"], np.array([-1, 0, 0]), np.array([1, 2, 2]), 10.0) == [(0.1, 0.5, "HHAY")]
