"""What is taken for a recording, what of it is speech, and what of a long one is kept."""

import io

import numpy as np
import pytest
import torch
from bundles import speak
from hypothesis import given
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.infer.prompts import most_speech
from ellav.infer.recordings import read_given, speech_mask, trimmed

TONE = (0.3 * np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000)).astype(np.float32)
WRONG = {
    "a list": ([0.1, 0.2], 16000, "a list is no recording; give a file's name"),
    "bytes": (b"RIFF", 16000, "a bytes is no recording"),
    "no rate": (TONE, None, "samples need their rate in Hz: prompt_rate"),
    "a low rate": (TONE, 16, "prompt_rate 16 is no rate of speech"),
    "a rate in words": (TONE, "16k", "prompt_rate '16k' is no rate"),
    "part of a rate": (TONE, 16000.5, "is not whole"),
    "nothing": (TONE[:0], 16000, "holds no samples"),
    "no channels": (np.zeros((0, 16000), np.float32), 16000, "holds no samples"),
    "a number": (np.ones(()), 16000, "must be (samples,)"),
    "a picture": (np.zeros((300, 300), np.float32), 16000, "not (300, 300)"),
    "a batch": (torch.zeros(1, 1, 16000), 16000, "not (1, 1, 16000)"),
    "NaN": (np.where(TONE > 0.29, np.nan, TONE), 16000, "not finite"),
    "infinite": (torch.tensor([0.1, torch.inf] * 8000), 16000, "not finite"),
    "integers as floats": (TONE * 32768, 16000, "samples reach 9830, full scale is 1; divide those of 16 bits"),
    "int64": ((TONE * 32768).astype(np.int64), 16000, "type int64 have no scale; give float32 in [-1, 1], or int16"),
    "uint16": (np.zeros(16000, np.uint16), 16000, "type uint16 have no scale"),
    "truth": (TONE > 0, 16000, "type bool have no scale"),
    "complex": (TONE * 1j, 16000, "type complex64 have no scale"),
    "text": (io.StringIO("hello"), None, "is open as text"),
    "no sound": (io.BytesIO(b"hello, I am no sound"), None, "convert it: ffmpeg -i x.m4a x.wav"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_no_recording_is_told_what_is_wanted(case):
    prompt, rate, said = WRONG[case]
    with pytest.raises(UserError) as caught:
        read_given(prompt, rate)
    assert said in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["int8", "uint8", "int16", "int32", "float16", "float32", "float64"])
@pytest.mark.parametrize("channels", [0, 1, 2, -2])
def test_samples_of_every_type_are_scaled_by_it(kind, channels):
    top = {"i": 2 ** (8 * np.dtype(kind).itemsize - 1) - 1, "u": 127, "f": 1}[np.dtype(kind).kind]
    samples = (TONE.astype(np.float64) * top + (128 if kind == "uint8" else 0)).astype(kind)
    if channels:
        samples = np.stack([samples] * abs(channels), axis=0 if channels < 0 else 1)
    for given_as in (samples, torch.from_numpy(samples)):
        made = read_given(given_as, 16000)
        assert made.wav.shape == TONE.shape and made.wav.dtype == np.float32 and made.rate == 16000
        assert np.abs(made.wav - TONE).max() < (0.02 if "8" in kind else 1e-3)


@pytest.mark.parametrize("rate", [8000, 16000, 44100])
def test_what_surrounds_speech_is_cut_and_speech_is_not(rate):
    wav = np.interp(np.arange(0, len(speak()) - 1, 16000 / rate), np.arange(len(speak())), speak()).astype(np.float32)
    assert np.array_equal(trimmed(wav, rate), wav)
    rng = np.random.default_rng(0)
    for level in (0, 1e-4, 3e-3):
        around = (level * rng.standard_normal(10 * rate)).astype(np.float32)
        around[3 * rate : 3 * rate + rate // 50] = 0.5  # a click of 20 ms
        made = trimmed(np.concatenate([around, wav, around]), rate)
        at = np.flatnonzero(np.isin(made, wav[np.abs(wav).argmax()]))
        start = at[0] - np.abs(wav).argmax()
        assert len(made) <= len(wav) + 0.62 * rate
        sounding = np.flatnonzero(np.abs(wav) > 0.05)
        inside = slice(sounding[0], sounding[-1])
        assert np.array_equal(made[start + inside.start : start + inside.stop], wav[inside])


@pytest.mark.parametrize("wav", [np.zeros(16000, np.float32), TONE, TONE[:1], TONE[:100], np.ones(16000, np.float32)])
def test_where_there_is_no_telling_all_is_kept(wav):
    assert np.array_equal(trimmed(wav, 16000), wav) and len(speech_mask(wav, 16000)) == -(-len(wav) // 160)


@given(st.data())
def test_what_is_kept_of_a_long_recording_fits_and_has_most_speech(data):
    sizes = data.draw(st.lists(st.tuples(st.booleans(), st.integers(1, 3)), min_size=1, max_size=8))
    words = np.array([-1 if gap else number for number, (gap, phones) in enumerate(sizes) for _ in range(phones)])
    durations = np.array(data.draw(st.lists(st.integers(1, 9), min_size=len(words), max_size=len(words))))
    total = int(durations.sum())
    speech = np.array(data.draw(st.lists(st.booleans(), min_size=total, max_size=total)))
    longest = data.draw(st.integers(1, 40))
    first, last = most_speech(words, durations, speech, longest)
    borders = {0, len(words), *(np.flatnonzero(np.diff(words)) + 1).tolist()}
    starts = np.concatenate([[0], np.cumsum(durations)])
    counted = speech & np.repeat(words >= 0, durations)
    fitting = [(a, b) for a in borders for b in borders if a < b and starts[b] - starts[a] <= longest]
    best = max((counted[starts[a] : starts[b]].sum() for a, b in fitting), default=0)
    if not best:
        assert (first, last) == (0, 0)
        return
    assert first in borders and last in borders and starts[last] - starts[first] <= longest
    kept = counted[starts[first] : starts[last]].sum()
    assert kept >= 0.9 * best
    assert not any(a < first and counted[starts[a] : starts[b]].sum() >= 0.9 * best for a, b in fitting)
