"""Parts of a long text, each spoken behind the end of the one before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_infer import TOKENS, pipeline, utterance

from ellav.errors import UserError
from ellav.infer.following import check_follow, lengthened, speak_following
from ellav.infer.pipeline import Speech
from ellav.infer.readings import speak_best
from ellav.infer.requests import cross_sentence
from ellav.types import NONE, Utterance


def spoken(words: list[list[int]], pauses: list[int], first_word: int, codebooks: int) -> Speech:
    """Words of phones with so many frames each, a pause after each word."""
    owners, durations = [], []
    for number, (phones, pause) in enumerate(zip(words, pauses, strict=True), first_word):
        owners += [number] * len(phones) + [NONE]
        durations += [*phones, pause]
    frames, count = sum(durations), len(durations)
    codes = np.arange(frames * codebooks, dtype=np.int16).reshape(frames, codebooks)
    return Speech(
        "a", codes, np.zeros(1, np.float32), np.arange(count), np.array(owners), np.array(durations, np.int32), {}
    )


PROMPT = Utterance(
    "p",
    "s",
    "und",
    np.array([7, 8, 0], np.int32),
    np.array([0, 1, NONE], np.int32),
    np.array([2, 3, 1], np.int32),
    np.full((6, 4), -5, np.int16),
)


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=4), min_size=1, max_size=6),
    st.data(),
    st.integers(1, 60),
    st.integers(1, 4),
)
def test_as_many_last_words_as_fit_stand_behind_the_prompt(words, data, most, codebooks):
    pauses = data.draw(st.lists(st.integers(0, 9), min_size=len(words), max_size=len(words)))
    speech = spoken(words, pauses, 2, codebooks)
    made = lengthened(PROMPT, speech, most)
    lengths = [sum(phones) + pause for phones, pause in zip(words, pauses, strict=True)]
    kept = max(n for n in range(len(words) + 1) if sum(lengths[len(words) - n :]) <= most)
    if kept == 0:
        assert made is PROMPT
        return
    frames = sum(lengths[len(words) - kept :])
    assert made.frames == PROMPT.frames + frames == made.durations.sum()
    assert np.array_equal(made.codes[6:], speech.codes[len(speech.codes) - frames :])
    assert np.all(made.codes[:6] == -5) and np.array_equal(made.phones[:3], PROMPT.phones)
    owners = [number for number in made.word_of_phone if number != NONE]
    assert sorted(set(owners)) == list(range(2 + kept)) and owners == sorted(owners)
    assert len(made.phones) == len(made.durations) == len(made.word_of_phone)
    assert np.array_equal(made.phones[3:], speech.phones[len(speech.phones) - len(made.phones) + 3 :])


def test_each_part_is_spoken_behind_the_end_of_the_one_before():
    speaker, prompt = pipeline("interleaved", "aligned"), utterance(0)
    texts = [utterance(number) for number in range(1, 4)]

    def request(text):
        return lambda before: cross_sentence("part", before, text.phones, text.word_of_phone, TOKENS)

    def speak(asked):
        return speak_best(speaker, [asked], 3)[0]

    made = speak_following(prompt, map(request, texts), speak, 40)
    before, lengths = prompt, []
    for text, (speech, seed) in zip(texts, made, strict=True):
        alone = speak(request(text)(before))[0]
        assert seed >= 3 and np.array_equal(speech.codes, alone.codes) and np.array_equal(speech.phones, text.phones)
        lengths.append(before.frames)
        before = lengthened(prompt, speech, 40)
    assert max(lengths) > prompt.frames


@pytest.mark.parametrize("follow", [0.1, 4.0, True, "2", float("nan")])
def test_what_cannot_be_followed_is_refused(follow):
    ordering = pipeline("interleaved", "aligned").engine.ordering
    with pytest.raises(UserError, match=r"seconds from 0\.5 to 3"):
        check_follow(follow, 3.0, ordering)
    check_follow(None, 3.0, ordering)
    check_follow(2, 3.0, ordering)


def test_an_ordering_without_times_of_words_follows_nothing():
    with pytest.raises(UserError, match="concat of this model keeps no times"):
        check_follow(2.0, 3.0, pipeline("concat", "prefix").engine.ordering)
