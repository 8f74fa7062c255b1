"""Streams: what is made window by window is what the same windows make where everything is known beforehand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_codec_windows import CODECS, joined_windows
from test_infer import TOKENS, utterance

from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline, around_prompt
from ellav.infer.requests import cross_sentence
from ellav.infer.session import Session
from ellav.infer.stream import Part, Windows, decoding, speak
from ellav.models.ar import ARModel
from ellav.models.nar import NARInput, NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES, random_utterance

KINDS = [
    ("interleaved", {}, "aligned"),
    ("interleaved", {"global_advance": False, "local_advance": 2}, "aligned"),
    ("interleaved", {"silence": "fold"}, "prefix"),
    ("concat", {}, "prefix"),
    ("grouped", {"group": 2}, "prefix"),
    ("word_block", {}, "aligned"),
]


def pipeline(kind, codec="whole", nar_prompt=20, text=None):
    name, conf, own_text = kind
    torch.manual_seed(0)
    ordering = orderings.create(name, conf)
    ordering.bind(PHONES, 16)
    small = {"layers": 1, "width": 16, "heads": 2, "ffn": 16}
    fewer = {"codebooks": 2} if name == "interleaved" else {}  # than the prompts have
    ar = ARModel.of(ordering, ModelOptions(**small))
    nar = NARModel(ModelOptions(**small, **fewer, text=text or own_text, place=True), len(PHONES), 3, 1, 16)
    return Pipeline(Engine(ar, ordering, decoders.create("nucleus"), 2), nar, CODECS[codec], nar_prompt)


def request_of(seed, words):
    rng = np.random.default_rng(seed)
    prompt, target = utterance(seed), random_utterance(rng, 16, 2, words)
    return cross_sentence(f"u{seed}", prompt, target.phones, target.word_of_phone, TOKENS)


def plan(total, first, hop, ahead):
    """Sizes of the windows of so many frames."""
    sizes, size = [], first
    while total - sum(sizes) >= size + ahead:
        sizes.append(size)
        size = min(hop, size + -(-size // 2))
    return [*sizes, total - sum(sizes)]


def offline(speaker, request, seed, windows):
    """The samples of a request whose rows are all decoded before the first window is begun."""
    first, hop, context, ahead = windows.in_frames(speaker.codec.frame_rate)
    ordering, start = speaker.engine.ordering, len(request.codes)
    (rows,) = speaker.engine.decode([request.id], [ordering.script(request)], seed)
    restored = ordering.restore(rows.ids)
    durations = None if restored.durations is None else around_prompt(restored.durations, request)
    made, sizes = request.codes[:, : speaker.nar.codebooks], plan(len(restored.codes) - start, first, hop, ahead)
    for size in sizes:
        if not size:
            continue
        spoken, end = len(made), len(made) + size
        known = min(end + ahead, len(restored.codes))
        if durations is None:
            skipped = max(0, start - speaker.nar_prompt)
            gone = int((np.cumsum(request.durations) <= skipped).sum()) if skipped else 0
            item = NARInput(request.phones[gone:], None, restored.codes[skipped:known], made[skipped:])
        else:
            context_now = min(context, spoken - start, speaker.nar_prompt)
            kept = min(start, speaker.nar_prompt - context_now)
            frames = np.r_[start - kept : start, spoken - context_now : known]
            # Which phone each of these frames belongs to; a phone is cut where frames are left out.
            owner = np.repeat(np.arange(len(durations)), durations)[frames]
            cut = np.flatnonzero((np.diff(owner) != 0) | (np.diff(frames) > 1)) + 1
            begins = np.r_[0, cut]
            item = NARInput(
                request.phones[owner[begins]],
                np.diff(np.r_[begins, len(frames)]).astype(np.int32),
                restored.codes[frames],
                made[frames[frames < spoken]],
            )
        whole = speaker.nar.generate([item])[0]
        made = np.concatenate([made, whole[len(item.prompt) :][:size]])
    return joined_windows(speaker.codec, made[start:], sizes)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: f"{kind[0]} {kind[2]}")
def test_a_stream_is_the_windowed_decode_of_what_is_all_known(kind):
    speakers = {name: pipeline(kind, name, text=kind[2]) for name in ("whole", "smooth")}

    @settings(max_examples=15, deadline=None)
    @given(
        st.sampled_from(sorted(speakers)),
        st.integers(0, 1000),
        st.integers(1, 8),
        st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 1), st.floats(0, 0.5), st.floats(0, 0.3)),
    )
    def check(codec, seed, words, sizes):
        speaker, windows, request = speakers[codec], Windows(*sizes), request_of(seed, words)
        made = np.concatenate([*speak(speaker, [Part(request, 0.4)], seed, windows), np.zeros(0, np.float32)])
        if kind[2] == "prefix" and speaker.engine.ordering.needs_durations:  # phones without frames are told apart
            whole = next(speaker.speak([request], seed))
            assert len(made) == round(len(whole.codes) * speaker.codec.sample_rate / speaker.codec.frame_rate)
        else:
            np.testing.assert_array_equal(made, offline(speaker, request, seed, windows))

    check()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind[1] != {"silence": "fold"}], ids=lambda k: k[0])
def test_one_window_is_what_is_spoken_without_windows(kind):
    speaker = pipeline(kind)
    for seed in range(4):
        request = request_of(seed, 3)
        whole = next(speaker.speak([request], seed))
        (wav,) = speak(speaker, [Part(request, 0)], seed, Windows(first=60, hop=60))
        np.testing.assert_array_equal(wav, whole.wav)


@pytest.mark.parametrize("match_voice", [0, 1])
def test_what_lies_between_codes_is_streamed_too(match_voice):
    plain = pipeline(KINDS[0])
    mixed = Pipeline(plain.engine, plain.nar, CODECS["rvq_mel"], 20, nar_temperature=1.0, match_voice=match_voice)
    request = request_of(0, 4)
    whole = next(mixed.speak([request], 0))
    (wav,) = speak(mixed, [Part(request, 0)], 0, Windows(first=60, hop=60))
    np.testing.assert_allclose(wav, whole.wav, atol=1e-5)
    pieces = list(speak(mixed, [Part(request, 0)], 0, Windows(first=0.1, hop=0.2)))
    assert len(pieces) > 1 and sum(map(len, pieces)) == len(whole.wav)


def unreadable(speaker):
    """The same speaker with an ordering whose rows are read when they are complete only."""

    class Closed:
        def __getattr__(self, name):
            if name == "restore_begun":
                raise AttributeError(name)
            return getattr(ordering, name)

    ordering = speaker.engine.ordering
    speaker.engine.ordering = Closed()
    return speaker


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind[0])
def test_the_first_window_comes_while_the_rest_is_decoded_where_rows_can_be_read_by_then(kind):
    request, windows = request_of(5, 8), Windows(first=0.05, hop=0.1, context=0.1, ahead=0)
    taken = {}
    for name, speaker in (("readable", pipeline(kind)), ("closed", unreadable(pipeline(kind)))):
        session = speaker.engine.open(1)
        known = decoding(session, Part(request, 0), iter(()), 0, *windows.in_frames(30.0)[:2], 0)
        next(known)
        assert session.busy == (name == "readable")
        known.close()
        taken[name] = list(speak(speaker, [Part(request, 0)], 0, windows))
    assert len(taken["readable"]) > 3
    for one, other in zip(taken["readable"], taken["closed"], strict=True):
        np.testing.assert_array_equal(one, other)


def test_whoever_stops_listening_ends_the_decoding(monkeypatch):
    sessions, opened = [], Engine.open
    monkeypatch.setattr(Engine, "open", lambda *given: sessions.append(opened(*given)) or sessions[-1])
    pieces = speak(pipeline(KINDS[0]), [Part(request_of(5, 8), 0)] * 2, 0, Windows(0.05, 0.1))
    next(pieces)
    (session,) = sessions
    assert isinstance(session, Session) and session.busy
    pieces.close()
    assert not session.busy and not session.take()


def test_between_parts_is_the_silence_that_is_due():
    speaker, windows = pipeline(KINDS[0]), Windows(0.5, 0.5, ahead=0.5)
    one, two = request_of(1, 2), request_of(2, 2)
    alone = [np.concatenate(list(speak(speaker, [Part(request, 9)], 0, windows))) for request in (one, two)]
    for pause in (0.0, 0.3, 0.7, 1.0):
        together = np.concatenate(list(speak(speaker, [Part(one, pause), Part(two, 9)], 0, windows)))
        gap = len(together) - sum(map(len, alone))
        first, second = (next(speaker.speak([request], 0)).durations for request in (one, two))
        there = (first[-1] + second[0]) / speaker.codec.frame_rate  # these begin and end with `sp`
        assert gap == max(0, round((pause - there) * speaker.codec.sample_rate))
        np.testing.assert_array_equal(together, np.concatenate([alone[0], np.zeros(gap, np.float32), alone[1]]))


def test_windows_have_sizes_that_make_sense():
    assert Windows(0.3, 1.2, 1.0, 0.1).in_frames(50.0) == (15, 60, 50, 5)
    assert Windows(0.01, 0.01, 0, 0).in_frames(12.5) == (1, 1, 0, 0)
    assert Windows(first=0.5, hop=0.1).in_frames(50.0)[:2] == (25, 25)
    for wrong in ({"first": 0}, {"hop": -1}, {"context": -0.1}, {"ahead": float("nan")}, {"first": 61}):
        with pytest.raises(UserError, match="windows: "):
            Windows(**wrong)
