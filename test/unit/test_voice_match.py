"""What the NAR model misses of a prompt's voice, and that it is added."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.bin.main import main
from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import cross_sentence
from ellav.infer.voice_match import VoiceMatch, halves_of, phones_between, recording_of
from ellav.models.ar import ARModel
from ellav.models.nar import Completed, Mixing, NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES, random_utterance
from ellav.types import Utterance

SIZE, BOOKS, MODELLED = 16, 4, 3
STATS = {"frame_rate": 50.0, "codebooks": BOOKS, "codebook_size": SIZE, "most_phone": 7, "most_silence": 9,
         "mean_frames": 30.0, "frames_per_phone": 4.0, "max_frames": 60}  # fmt: skip
TOKENS = Tokens(list(PHONES), STATS)
SMALL = {"layers": 1, "width": 16, "heads": 2, "ffn": 16}
VECTORS = torch.randn(BOOKS, SIZE, 5, generator=torch.Generator().manual_seed(1))


class SummingCodec:
    """A sample a frame: the sum of its vector."""

    name, sample_rate, frame_rate, codebooks = "summing", 50, 50.0, BOOKS

    def vectors(self):
        return VECTORS.numpy()

    def decode_vectors(self, frames):
        return [z.sum(axis=1) for z in frames]

    def decode(self, codes):
        return self.decode_vectors([own_vectors(some) for some in codes])


def own_vectors(codes):
    return np.sum([VECTORS[book].numpy()[codes[:, book]] for book in range(codes.shape[1])], axis=0)


def nar_model(text="aligned", known=1):
    torch.manual_seed(0)
    options = ModelOptions(**SMALL, text=text, codebooks=MODELLED)
    return NARModel(options, len(PHONES), BOOKS, known, SIZE).eval()


def speaker(match_voice, nar_temperature=0.5, batch=4, ordering="interleaved", text="aligned"):
    torch.manual_seed(0)
    made = orderings.create(ordering)
    made.bind(PHONES, SIZE)
    ar = ARModel.of(made, ModelOptions(**SMALL))
    engine = Engine(ar, made, decoders.create("nucleus"), batch)
    return Pipeline(
        engine, nar_model(text), SummingCodec(), nar_temperature=nar_temperature, match_voice=match_voice,
        silence=TOKENS.silence,
    )  # fmt: skip


def voice(seed):
    return random_utterance(np.random.default_rng(seed), SIZE, BOOKS - 1)


def requests(count):
    targets = [voice(100 + i) for i in range(count)]
    return [
        cross_sentence(f"u{i}", voice(i), target.phones, target.word_of_phone, TOKENS)
        for i, target in enumerate(targets)
    ]


@settings(max_examples=40)
@given(st.integers(0, 2**20), st.sampled_from([None, 1, 3, 10]))
def test_halves_are_told_after_each_other(seed, most):
    one = voice(seed)
    frames, made = len(one.codes), halves_of(one, nar_model(), most)
    start = 0 if most is None else max(0, frames - 2 * most)
    if frames < 2:
        assert not made
        return
    assert sorted(i for _, part in made for i in range(frames)[part]) == list(range(start, frames))
    by_frame = np.repeat(one.phones, one.durations)
    for (item, told), (_, given_) in zip(made, made[::-1], strict=True):
        np.testing.assert_array_equal(item.prompt, one.codes[given_, :MODELLED])
        np.testing.assert_array_equal(item.codes[:, 0], np.concatenate([one.codes[given_, 0], one.codes[told, 0]]))
        spoken = np.repeat(item.phones, item.durations)
        np.testing.assert_array_equal(spoken, np.concatenate([by_frame[given_], by_frame[told]]))


@settings(max_examples=40)
@given(st.integers(0, 2**20), st.data())
def test_phones_between_two_frames_last_as_long_as_they_do_there(seed, data):
    one = voice(seed)
    start = data.draw(st.integers(0, len(one.codes) - 1))
    end = data.draw(st.integers(start + 1, len(one.codes)))
    phones, durations = phones_between(one.phones, one.durations, start, end)
    np.testing.assert_array_equal(np.repeat(phones, durations), np.repeat(one.phones, one.durations)[start:end])


@pytest.mark.parametrize("text", ["aligned", "prefix"])
@pytest.mark.parametrize("temperature", [0.0, 0.5])
def test_it_is_the_mean_of_what_is_missing_where_somebody_speaks(text, temperature):
    nar, mixing = nar_model(text), Mixing(VECTORS, temperature)
    voices = [voice(seed) for seed in range(5)]
    found = VoiceMatch(nar, mixing, 0.5, TOKENS.silence, None).missed(voices)
    for one, missed in zip(voices, found, strict=True):
        gaps = []
        for item, told in halves_of(one, nar, None):
            made = nar.complete([item], mixing)[0].vectors[len(item.prompt) :]
            silent = np.repeat(one.phones, one.durations)[told] == TOKENS.silence
            gaps.append((own_vectors(one.codes[told]) - made)[~silent])
        np.testing.assert_allclose(missed, 0.5 * np.concatenate(gaps).mean(axis=0), atol=1e-5)


def test_nothing_is_missed_by_a_model_that_knows_the_voice_or_where_nobody_speaks(monkeypatch):
    nar, one = nar_model(), voice(3)
    match = VoiceMatch(nar, Mixing(VECTORS, 1.0), 1.0, TOKENS.silence, None)
    halves = np.split(one.codes, [len(one.codes) // 2])
    told = [np.concatenate(halves), np.concatenate(halves[::-1])]
    monkeypatch.setattr(nar, "complete", lambda items, mixing: [Completed(c, own_vectors(c), None) for c in told])
    np.testing.assert_allclose(match.missed([one])[0], np.zeros(5), atol=1e-5)
    monkeypatch.undo()
    silent = replace(one, phones=np.full_like(one.phones, TOKENS.silence))
    short = Utterance("a", "", "", one.phones[:1], one.word_of_phone[:1], np.array([1]), one.codes[:1])
    for other in (silent, short, replace(one, durations=None)):
        np.testing.assert_array_equal(match.missed([other])[0], np.zeros(5, np.float32))


def test_of_a_few_frames_less_is_added():
    nar, mixing, one = nar_model(), Mixing(VECTORS, 1.0), voice(3)
    (whole,) = VoiceMatch(nar, mixing, 1.0, TOKENS.silence).missed([one])
    spoken = int(one.durations[one.phones != TOKENS.silence].sum())
    for enough, part in ((spoken, 1), (4 * spoken, 0.25)):
        (less,) = VoiceMatch(nar, mixing, 1.0, TOKENS.silence, None, enough).missed([one])
        np.testing.assert_allclose(less, part * whole, atol=1e-6)


def test_a_voice_is_measured_once(monkeypatch):
    match = VoiceMatch(nar_model(), Mixing(VECTORS, 1.0), 1.0, TOKENS.silence, None)
    monkeypatch.setattr("ellav.infer.voice_match._KEPT", 3)
    voices = [voice(seed) for seed in range(6)]
    together = match.missed([*voices, voices[0]])  # more than are remembered
    np.testing.assert_array_equal(together[0], together[-1])
    singly = [match.missed([one])[0] for one in voices]
    for one, other in zip(singly, together, strict=False):
        np.testing.assert_allclose(one, other, atol=1e-6)
    monkeypatch.setattr(match.nar, "complete", lambda *given: pytest.fail("measured again"))
    for one, kept in list(zip(voices, singly, strict=True))[3:]:
        np.testing.assert_array_equal(match.missed([replace(one, id="other")])[0], kept)


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("temperature", [0.0, 0.5])
@pytest.mark.parametrize(("ordering", "text"), [("interleaved", "aligned"), ("concat", "prefix")])
def test_what_is_missed_is_added_to_all_that_follows_the_prompt(whole, temperature, ordering, text):
    asked = requests(5)
    plain, matched = (speaker(share, temperature, ordering=ordering, text=text) for share in (0, 1))
    plain.mixing = Mixing(VECTORS, temperature)
    missed = [one.sum() for one in matched.match.missed([recording_of(one) for one in asked])]
    pairs = zip(asked, plain.speak(asked, whole=whole), matched.speak(asked, whole=whole), missed, strict=True)
    for request, one, other, more in pairs:
        assert np.array_equal(one.codes, other.codes) and abs(more) > 1e-3
        new = len(request.codes) if whole else 0
        np.testing.assert_allclose(other.wav[:new], one.wav[:new], atol=1e-5)
        np.testing.assert_allclose(other.wav[new:], one.wav[new:] + more, atol=1e-4)
    (alone,) = matched.speak(asked[2:3], whole=whole)
    together = list(speaker(1, temperature, 2, ordering, text).speak(asked, whole=whole))[2]
    np.testing.assert_allclose(alone.wav, together.wav, atol=1e-4)


def test_the_voice_is_the_whole_recording_where_the_prompt_is_more_or_less():
    (request,) = requests(1)
    matched, one = speaker(1), voice(7)
    assert matched.fitting(request).voice.codes.shape[1] == BOOKS
    assert matched.fitting(matched.fitting(request)).voice.codes.shape[1] == BOOKS
    other = replace(request, voice=one)
    assert matched.fitting(other).voice is one
    np.testing.assert_array_equal(matched.missed([matched.fitting(other)])[0], matched.match.missed([one])[0])


def test_a_codec_without_vectors_is_refused():
    class Plain:
        name, sample_rate, frame_rate = "plain", 50, 50.0

    with pytest.raises(UserError, match="match_voice=1: codec plain cannot speak what lies between its codes"):
        Pipeline(speaker(0).engine, nar_model(), Plain(), match_voice=1)


@pytest.mark.parametrize("value", [-1, 2.5, float("nan"), True, "1", [1]])
def test_what_is_no_share_is_refused_before_anything_is_spoken(value):
    with pytest.raises(UserError, match=r"match_voice=.* is no number from 0 to 2"):
        Pipeline(speaker(0).engine, nar_model(), SummingCodec(), match_voice=value)


@pytest.mark.parametrize("command", ["synth", "decode", "pack"])
def test_a_share_beyond_two_is_refused(command, capsys):
    for share in ("3", "abc", "nan"):
        with pytest.raises(SystemExit):
            main([command, "--match-voice", share])
        assert f"argument --match-voice: must be from 0 to 2, not {share}" in capsys.readouterr().err
