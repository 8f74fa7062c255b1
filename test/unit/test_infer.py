"""Requests, the pipeline from request to speech, and TextGrids."""

import numpy as np
import pytest
import torch

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import continuation, cross_sentence
from ellav.infer.textgrid import write_textgrid
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES, random_utterance

STATS = {
    "frame_rate": 50.0,
    "codebooks": 3,
    "codebook_size": 16,
    "most_phone": 7,
    "most_silence": 9,
    "mean_frames": 30.0,
    "frames_per_phone": 4.0,
    "max_frames": 60,
}
TOKENS = Tokens(list(PHONES), STATS)


class CountingCodec:
    """Ten samples a frame, each the frame's first code: shows what reached the codec."""

    name, sample_rate, frame_rate = "counting", 500, 50.0

    def decode(self, codes):
        return [np.repeat(c[:, 0], 10).astype(np.float32) for c in codes]


def utterance(seed, codebooks=3):
    made = random_utterance(np.random.default_rng(seed), 16, codebooks - 1)
    return made


def pipeline(name, text="prefix", batch=4, **nar_options):
    torch.manual_seed(0)
    ordering = orderings.create(name)
    ordering.bind(PHONES, 16)
    small = {"layers": 1, "width": 16, "heads": 2, "ffn": 16}
    ar = ARModel.of(ordering, ModelOptions(**small))
    nar = NARModel(ModelOptions(**small, text=text, **nar_options), len(PHONES), 3, 1, 16)
    return Pipeline(Engine(ar, ordering, decoders.create("nucleus"), batch), nar, CountingCodec())


def crossed(count):
    requests = []
    for i in range(count):
        prompt, target = utterance(i), utterance(100 + i)
        requests.append(cross_sentence(f"u{i}", prompt, target.phones, target.word_of_phone, TOKENS))
    return requests


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("interleaved", "aligned"),
        ("interleaved", "prefix"),
        ("concat", "prefix"),
        ("grouped", "prefix"),
        ("word_block", "aligned"),
    ],
)
def test_cross_sentence_speech_holds_the_target_alone(name, text):
    requests = crossed(6)
    for request, speech in zip(requests, pipeline(name, text).speak(requests), strict=True):
        begun = len(request.durations)
        assert speech.id == request.id
        assert speech.codes.shape == (speech.facts["frames"], 3)
        assert speech.codes.min() >= 0 and speech.codes.max() < 16
        assert np.array_equal(speech.wav, np.repeat(speech.codes[:, 0], 10))
        assert np.array_equal(speech.phones, request.phones[begun:])
        assert speech.facts["phones"] == len(request.phones) - begun
        if name in ("interleaved", "word_block"):
            assert speech.durations.sum() == len(speech.codes)
            assert (speech.durations >= 0).all()


@pytest.mark.parametrize(("name", "text"), [("interleaved", "aligned"), ("grouped", "prefix")])
def test_a_request_is_spoken_alike_alone_and_in_company(name, text):
    requests = crossed(5)
    together = list(pipeline(name, text, batch=5).speak(requests))
    alone = [next(pipeline(name, text, batch=1).speak([request])) for request in requests]
    for a, b in zip(together, alone, strict=True):
        assert np.array_equal(a.codes, b.codes)


def test_continuation_keeps_the_beginning_and_leaves_a_cut_phone_open():
    said = utterance(3)
    for frames in range(1, said.frames - int(said.durations[-1])):
        request = continuation(said, frames, TOKENS)
        assert request.durations.sum() == frames
        assert request.open == (frames not in np.cumsum(said.durations))
        speech = next(pipeline("interleaved").speak([request], whole=True))
        assert np.array_equal(speech.codes[:frames], said.codes[:frames])
        assert len(speech.codes) == frames + speech.facts["frames"]
        assert speech.durations.sum() == len(speech.codes)


@pytest.mark.parametrize("most", [None, 3, 100])
def test_a_nar_model_may_leave_the_last_codebooks_alone(most):
    speaker = pipeline("interleaved", "aligned", codebooks=2)
    speaker.nar_prompt = most
    requests = crossed(3)
    for request, speech in zip(requests, speaker.speak(requests, whole=True), strict=True):
        assert speech.codes.shape == (len(request.codes) + speech.facts["frames"], 2)
        assert np.array_equal(speech.codes[: len(request.codes)], request.codes[:, :2])


class MixingCodec(CountingCodec):
    """Ten samples a frame, each the sum of the frame's vector; a code's vector is the code thrice."""

    name = "mixing"

    def vectors(self):
        return np.tile(np.arange(16, dtype=np.float32)[:, None], (3, 1, 3))

    def decode_vectors(self, frames):
        return [np.repeat(z.sum(axis=1) / 3, 10) for z in frames]


@pytest.mark.parametrize("most", [None, 3])
@pytest.mark.parametrize("whole", [False, True])
def test_what_lies_between_codes_is_spoken(most, whole):
    plain = pipeline("interleaved", "aligned")
    mixed = Pipeline(plain.engine, plain.nar, MixingCodec(), most, nar_temperature=2.0)
    plain.nar_prompt = most
    requests = crossed(3)
    for request, one, other in zip(
        requests, plain.speak(requests, whole=whole), mixed.speak(requests, whole=whole), strict=True
    ):
        assert np.array_equal(one.codes, other.codes)
        frames = other.wav[::10]
        assert len(frames) == len(one.codes)
        prompt = len(request.codes) if whole else 0
        np.testing.assert_allclose(frames[:prompt], request.codes[:prompt].sum(axis=1), rtol=1e-5)
        assert not np.allclose(frames[prompt:], one.codes[prompt:].sum(axis=1))
    with pytest.raises(UserError, match="codec counting cannot speak what lies between its codes"):
        Pipeline(plain.engine, plain.nar, CountingCodec(), nar_temperature=1.0)


@pytest.mark.parametrize(("ordering", "text"), [("interleaved", "aligned"), ("concat", "prefix")])
def test_a_nar_model_is_given_no_more_of_a_prompt_than_it_was_trained_with(ordering, text):
    requests = crossed(4)
    speaker = pipeline(ordering, text)
    whole = list(speaker.speak(requests, whole=True))
    speaker.nar_prompt = 10**6
    for one, other in zip(whole, speaker.speak(requests, whole=True), strict=True):
        assert np.array_equal(one.codes, other.codes)
    given, complete = [], speaker.nar.complete
    speaker.nar.complete = lambda items, *more: given.extend(items) or complete(items, *more)
    for most in (0, 1, 7, 20):
        speaker.nar_prompt = most
        given.clear()
        for request, one, other in zip(requests, whole, speaker.speak(requests, whole=True), strict=True):
            prompt = len(request.codes)
            assert np.array_equal(one.codes[:prompt], other.codes[:prompt])
            assert np.array_equal(one.codes[:, 0], other.codes[:, 0]) and len(one.codes) == len(other.codes)
        for request, one, item in zip(requests, whole, given, strict=True):
            skipped = max(0, len(request.codes) - most)
            assert np.array_equal(item.prompt, request.codes[skipped:])
            assert np.array_equal(item.codes[:, 0], one.codes[skipped:, 0])
            # The phone of each frame that is left is what it was.
            of_frame = np.repeat(request.phones[: len(request.durations)], request.durations)[skipped:]
            gone = len(request.phones) - len(item.phones)
            assert np.array_equal(item.phones, request.phones[gone:])
            if skipped and most:
                assert item.phones[0] == of_frame[0]
            if item.durations is not None:
                heard = np.repeat(item.phones, item.durations)
                assert len(heard) == len(item.codes) and np.array_equal(heard[: len(of_frame)], of_frame)


@pytest.mark.parametrize("whole", [True, False])
def test_what_ended_in_the_prompt_keeps_its_duration_where_the_rows_do_not_tell(whole):
    said = utterance(3)
    speaker = pipeline("word_block", "aligned")
    for frames in range(1, said.frames - int(said.durations[-1])):
        request = continuation(said, frames, TOKENS)
        closed = len(request.durations) - request.open
        speech = next(speaker.speak([request], whole=whole))
        assert speech.durations.sum() == len(speech.codes) and (speech.durations >= 0).all()
        if whole:
            assert np.array_equal(speech.durations[:closed], said.durations[:closed])
            assert speech.durations[: closed + 1].sum() >= frames
        assert len(speech.durations) == len(said.phones) - (0 if whole else closed)


@pytest.mark.parametrize("name", ["grouped", "concat"])
def test_continuation_from_inside_a_row_keeps_the_beginning(name):
    said = utterance(3)
    speaker = pipeline(name)
    for frames in range(1, said.frames - int(said.durations[-1])):
        speech = next(speaker.speak([continuation(said, frames, TOKENS)], whole=True))
        assert np.array_equal(speech.codes[:frames], said.codes[:frames])
        assert len(speech.codes) == frames + speech.facts["frames"] and speech.durations is None


def test_pauses_of_the_recording_are_not_told_after_the_prompt():
    said = utterance(3)
    frames = int(said.durations[:2].sum())
    request = continuation(said, frames, TOKENS, np.array([1, 3]))
    np.testing.assert_array_equal(request.phones, np.delete(said.phones, 3))
    np.testing.assert_array_equal(request.durations, said.durations[:2])
    later = np.arange(2, len(said.phones))
    assert continuation(said, frames, TOKENS, later) is None


def test_continuation_of_nothing_is_none():
    said = utterance(3)
    assert continuation(said, said.frames, TOKENS) is None


def test_textgrid_is_read_back_by_praatio(tmp_path):
    from praatio import textgrid

    path = tmp_path / "a.TextGrid"
    phones, words = ["sp", "HH", "AY", "sp"], np.array([-1, 0, 0, -1])
    write_textgrid(path, phones, words, np.array([5, 10, 20, 0]), 50.0, ["HI"])
    grid = textgrid.openTextgrid(str(path), includeEmptyIntervals=False)
    assert [(e.start, e.end, e.label) for e in grid.getTier("phones").entries] == [
        (0.0, 0.1, "sp"),
        (0.1, 0.3, "HH"),
        (0.3, 0.7, "AY"),
    ]
    assert [(e.start, e.end, e.label) for e in grid.getTier("words").entries] == [(0.1, 0.7, "HI")]
