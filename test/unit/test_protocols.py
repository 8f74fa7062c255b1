"""Which utterances of a test set are decoded, and after what."""

from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.data.dataset import Tokens
from ellav.data.joins import part
from ellav.data.kaldi import write_table
from ellav.errors import UserError
from ellav.infer.protocols import add_options, requests_of
from ellav.testing.utterances import random_utterance

RATE = 50.0
STATS = dict.fromkeys(("codebooks", "codebook_size", "mean_frames", "max_frames"), 4) | {
    "frame_rate": RATE,
    "most_phone": 40,
    "most_silence": 40,
    "frames_per_phone": 5.0,
}
TOKENS = Tokens(["sp", *"abcdefgh"], STATS)


def utterance(seed: int, name: str, speaker: str, frames: int):
    """Phones of 5 frames each, two of them a word."""
    rng = np.random.default_rng(seed)
    count = frames // 5
    return replace(
        random_utterance(rng, 4, 1),
        id=name,
        speaker=speaker,
        phones=rng.integers(1, 9, count).astype(np.int32),
        word_of_phone=(np.arange(count) // 2).astype(np.int32),
        durations=np.full(count, 5, np.int32),
        codes=rng.integers(0, 4, (count * 5, 2)).astype(np.int16),
    )


class Set(list):
    """Stands for a tokenised set; 10 frames of silence were cut off before each utterance."""

    tokens, folder = TOKENS, Path("tokens/test")
    ids = property(lambda self: [u.id for u in self])
    speakers = property(lambda self: [u.speaker for u in self])
    lengths = property(lambda self: [u.frames for u in self])

    def pauses(self, index):
        return np.array([], int)

    def cut_off(self, index):
        return 10


SAID = Set(
    utterance(seed, f"{speaker}-{number}", speaker, frames)
    for seed, (speaker, number, frames) in enumerate(
        [("a", 1, 250), ("a", 2, 100), ("a", 3, 400), ("b", 1, 300), ("c", 1, 220), ("c", 2, 230)]
    )
)


def asked(*words, said=SAID):
    made = ArgumentParser()
    add_options(made)
    return requests_of(said, TOKENS, made.parse_args(list(words)))


def test_each_is_spoken_after_the_one_before_and_the_first_after_the_last(capsys):
    requests = asked()
    assert {one.decode.id: one.prompt for one in requests} == {
        "a-1": "a-3",
        "a-2": "a-1",
        "a-3": "a-2",
        "c-1": "c-2",
        "c-2": "c-1",
    }
    assert all(one.span is None for one in requests)
    assert "b-1: left out, its speaker has no other utterance" in capsys.readouterr().out
    (first,) = asked("--limit", "1")
    np.testing.assert_array_equal(first.decode.codes, SAID[2].codes)


def test_a_prompt_may_be_cut_to_its_beginning():
    (first, *_) = asked("--prompt-seconds", "3")
    assert first.prompt == "a-3" and first.span == (0.2, 3.2)
    np.testing.assert_array_equal(first.decode.codes, SAID[2].codes[:150])


@pytest.mark.parametrize("mode", ["cross-sentence", "continuation"])
def test_length_has_two_bounds(mode, capsys):
    chosen = [one.decode.id for one in asked("--mode", mode, "--least-seconds", "4.4", "--most-seconds", "5")]
    assert chosen == ["a-1", "c-1", "c-2"]
    assert f"3 of 6 utterances are decoded in mode {mode}" in capsys.readouterr().out


def test_continuation_gives_three_seconds_of_four():
    requests = asked("--mode", "continuation")
    assert [one.decode.id for one in requests] == ["a-1", "a-3", "b-1", "c-1", "c-2"]
    assert all(one.prompt == one.decode.id and one.span == (0.2, 3.2) for one in requests)
    assert all(len(one.decode.codes) == 150 for one in requests)


def test_lists_beside_the_set_choose_targets_and_parts_of_prompts(tmp_path, capsys):
    write_table(tmp_path / "targets", {"a-1": "", "b-1": "", "c-2": "", "gone": ""})
    write_table(tmp_path / "utt2prompt", {"a-1": "b-1 1.20 4.20", "b-1": "lost", "c-2": "c-1", "a-2": "a-1"})
    requests = asked("--raw", str(tmp_path))
    assert [(one.decode.id, one.prompt, one.span) for one in requests] == [
        ("a-1", "b-1", (1.2, 4.2)),
        ("c-2", "c-1", None),
    ]
    np.testing.assert_array_equal(requests[0].decode.codes, SAID[3].codes[50:200])
    said = capsys.readouterr().out
    assert "1 of 4 are not in" in said and "b-1: left out, its prompt lost was set aside or is not in the set" in said
    assert len(asked("--raw", str(tmp_path), "--mode", "continuation")) == 3


@pytest.mark.parametrize("line", ["b-1 2", "b-1 3 1", "b-1 x y", "b-1 0 nan", "b-1 0 1 2", "b-1 -1 2"])
def test_what_is_no_part_of_an_utterance_is_named(tmp_path, line):
    write_table(tmp_path / "utt2prompt", {"a-1": line})
    with pytest.raises(UserError, match=r"utt2prompt: 'a-1': .* is not PROMPT, or PROMPT START END in seconds"):
        asked("--raw", str(tmp_path))


def test_parts_without_speech_and_lists_of_another_set_are_named(tmp_path):
    write_table(tmp_path / "utt2prompt", {"a-1": "b-1 20 30"})
    with pytest.raises(UserError, match=r"prompt b-1 20.0 30.0: no phone of 'b-1' lies in its frames"):
        asked("--raw", str(tmp_path))
    write_table(tmp_path / "targets", {"z": ""})
    with pytest.raises(UserError, match="targets: none of its utterances is in tokens/test"):
        asked("--raw", str(tmp_path))
    with pytest.raises(UserError, match="--most-seconds must be above 0"):
        asked("--most-seconds", "-1")


@given(st.integers(0, 50), st.data())
def test_a_part_is_whole_phones_and_their_own_codes(seed, data):
    said = random_utterance(np.random.default_rng(seed), 4, 1)
    start = data.draw(st.integers(0, said.frames))
    end = data.draw(st.integers(start, said.frames))
    try:
        kept, begin = part(said, start, end)
    except ValueError:
        return
    ends = np.cumsum(said.durations)
    first = len(said.phones[: np.searchsorted(ends - said.durations / 2, start)])
    np.testing.assert_array_equal(kept.phones, said.phones[first : first + len(kept.phones)])
    np.testing.assert_array_equal(kept.durations, said.durations[first : first + len(kept.phones)])
    np.testing.assert_array_equal(kept.codes, said.codes[begin : begin + len(kept.codes)])
    assert kept.durations.sum() == len(kept.codes) and begin == ends[first] - said.durations[first]
    assert kept.word_of_phone[kept.word_of_phone >= 0].min() == 0
    longest = int(said.durations.max())
    assert abs(begin - start) <= longest and abs(begin + len(kept.codes) - end) <= longest
