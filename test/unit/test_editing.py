"""A word made anew, and how sure the models are of each phone."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from test_infer import crossed, pipeline
from test_synth import folder, voice  # noqa: F401

from ellav.errors import UserError
from ellav.infer.anew import part_of
from ellav.infer.editing import row_log_probabilities
from ellav.infer.pacing import scaled
from ellav.plugins.orderings import orderings
from ellav.types import Utterance

TEXT = "The old sailor bought three boats."


def whole(reading):
    """Prompt and speech of a reading as an utterance."""
    request = reading.request
    words = request.word_of_phone
    return Utterance("u", "s", "und", request.phones, words, reading.durations, reading.codes)


def test_what_the_rows_are_worth_is_what_the_session_told_of_each_frame():
    speaker, requests = pipeline("interleaved", "aligned"), crossed(4)
    begun = speaker.begin(requests, [3] * 4, confidence=True)
    readings = speaker.read(requests, 3, confidence=True)
    for made, reading, (said, frames) in zip(
        begun, readings, row_log_probabilities(speaker.engine, [whole(reading) for reading in readings]), strict=True
    ):
        prompt = len(reading.request.codes)
        assert np.array_equal(frames[frames >= 0], np.arange(len(reading.codes)))
        np.testing.assert_allclose(said[frames >= prompt], made.rows.log_probabilities, rtol=1e-4, atol=1e-5)
        assert np.isnan(said[: len(reading.request.phones) + 1]).all()


@pytest.fixture(scope="module")
def speech(voice):  # noqa: F811
    return voice(TEXT, seed=2, best_of=1)


def frames_of(made, word):
    """The first and the last frame of a word."""
    inside = np.flatnonzero(made.word_of_phone == word)
    ends = np.cumsum(made.durations)
    return int(ends[inside[0]] - made.durations[inside[0]]), int(ends[inside[-1]])


@pytest.mark.parametrize("word", [0, 2, 5])
@pytest.mark.parametrize(
    "change", [{"again": True}, {"rate": 0.6}, {"text": "horses, horses"}, {"text": "a", "rate": 2}]
)
def test_all_but_the_word_is_kept(speech, word, change):
    made = speech.edit(word, **change, readings=2)
    start, end = frames_of(speech, word)
    behind = len(speech.codes) - end
    assert np.array_equal(made.codes[:start], speech.codes[:start])
    assert behind == 0 or np.array_equal(made.codes[-behind:], speech.codes[-behind:])
    new = made.codes[start : len(made.codes) - behind]
    assert not np.array_equal(new, speech.codes[start:end])
    words = {"horses, horses": ["HORSES", "HORSES"], "a": ["A"]}.get(change.get("text"), [speech.words[word]])
    assert made.words == [*speech.words[:word], *words, *speech.words[word + 1 :]]
    assert len(made.symbols) == len(made.durations) == len(made.word_of_phone)
    assert [made.words[w] for w in dict.fromkeys(made.word_of_phone[made.word_of_phone >= 0])] == made.words
    assert made.durations.sum() == len(made.codes) and len(made.wav) == pytest.approx(len(made.codes) * 320, abs=320)
    if "text" not in change:
        assert made.symbols == speech.symbols
    if change == {"rate": 0.6}:
        own = speech.durations[speech.word_of_phone == word]
        wanted = scaled(own, np.full(len(own), 0.6), np.zeros(len(own), bool))
        assert np.array_equal(made.durations[made.word_of_phone == word], wanted)
    kept = [one.confidence for one in made.phones if one.end * 50 <= start + 0.5]
    assert kept == [one.confidence for one in speech.phones[: len(kept)]] and made.confidence < 0


def test_an_edit_can_be_edited_and_another_try_is_another(speech):
    once = speech.edit(3, again=True, readings=2)
    twice = once.edit(3, again=True, readings=2)
    start, _ = frames_of(speech, 3)
    assert np.array_equal(twice.codes[:start], speech.codes[:start])
    assert not np.array_equal(once.codes, twice.codes) and twice.seeds[0] > once.seeds[0] > speech.seeds[0]
    other = once.edit(1, text="new", readings=1)
    assert other.words[1] == "NEW" and other.words[2:] == speech.words[2:]
    assert np.array_equal(speech.edit(3, again=True, readings=2).codes, once.codes)


def test_the_reading_that_fits_best_is_taken(speech, voice):  # noqa: F811
    alone = [speech.edit(2, text="horse", seed=seed, readings=1) for seed in range(4, 8)]
    chosen = speech.edit(2, text="horse", seed=4, readings=4)
    prompt, engine = speech.parts[0].prompt, voice.pipeline.engine

    def worth(made):
        part = made.parts[0].speech
        phones = np.concatenate([prompt.phones, part.phones])
        durations = np.concatenate([prompt.durations, part.durations])
        codes = np.concatenate([prompt.codes[:, :1], part.codes[:, :1]])
        utterance = Utterance("u", "s", "und", phones, np.zeros(len(phones), np.int32), durations, codes)
        said, frames = row_log_probabilities(engine, [utterance])[0]
        start, end = (prompt.frames + frame for frame in frames_of(made, 2))
        rows = np.flatnonzero((frames >= start) & (frames < end + 20))
        return np.nanmean(said[rows[0] : rows[-1] + 1])

    best = max(range(4), key=lambda i: worth(alone[i]))
    assert np.array_equal(chosen.codes, alone[best].codes) and chosen.seeds == [4 + best]
    assert len({round(worth(one), 6) for one in alone}) > 1


def test_words_are_found_in_their_parts(voice):  # noqa: F811
    text = "A boat. " * 60
    made = voice(text.strip())
    assert len(made.parts) > 2
    word = len(made.words) - 3
    number, inside = part_of([len(part.request.said.words) for part in made.parts], word)
    edited = made.edit(word, again=True, readings=1)
    assert number == len(made.parts) - 1 and made.parts[number].request.said.words[inside] == made.words[word]
    for i, (one, other) in enumerate(zip(made.parts, edited.parts, strict=True)):
        assert (one is other) == (i != number)
    assert edited.durations.sum() == len(edited.codes)


def test_a_request_may_say_what_is_made_anew(speech, voice):  # noqa: F811
    from ellav.infer.anew import word_anew

    part = speech.parts[0]
    asked = word_anew(part.request, part.speech, 2)
    made = voice(asked, seed=3, best_of=2)
    assert np.array_equal(made.codes, speech.edit(2, again=True, readings=2).codes)


@pytest.mark.parametrize(
    ("word", "change", "said"),
    [
        (6, {"again": True}, r"word=6 is no number of a word, from 0 \('THE'\) to 5 \('BOATS'\)"),
        (-1, {"again": True}, "word=-1 is no number"),
        ("old", {"again": True}, "word='old' is no number"),
        (1, {}, "say what is to be changed"),
        (1, {"again": True, "rate": 0.8}, "again=True alone"),
        (1, {"rate": 5}, "rate=5 is no rate"),
        (1, {"text": "..."}, "no English word"),
        (1, {"again": True, "readings": 0}, "readings=0 is no number of readings"),
        (1, {"again": True, "seed": -1}, "seed=-1 is no seed"),
    ],
)
def test_edits_that_make_no_sense_are_refused(speech, word, change, said):
    with pytest.raises(UserError, match=said):
        speech.edit(word, **change)


def test_facts_are_those_of_what_is_heard(speech, voice):  # noqa: F811
    made = speech.edit(3, rate=0.6)
    assert made.facts["frames"] == len(made.codes) != speech.facts["frames"]
    assert made.facts["audio_seconds"] == pytest.approx(len(made.wav) / made.sample_rate, abs=0.03)
    # Of decoding what is kept nothing is known.
    assert not {"steps", "ar_seconds", "nar_seconds", "seconds"} & set(made.facts)


def test_a_speech_is_shown_in_a_line(speech):
    assert repr(speech) == (
        f"<Synthesis: '{' '.join(speech.words)}', {len(speech.wav) / speech.sample_rate:.2f} s at 16000 Hz,"
        f" prompt {speech.prompt!r}>"
    )


def test_phones_have_times_and_confidence(speech, voice):  # noqa: F811
    phones = speech.phones
    assert [one.phone for one in phones] == speech.symbols and phones[0].start == 0
    assert [one.word for one in phones] == [speech.words[w] if w >= 0 else None for w in speech.word_of_phone]
    assert all(one.end == other.start for one, other in pairwise(phones))
    assert phones[-1].end == pytest.approx(len(speech.codes) / 50)
    weighted = [(one.confidence, one.end - one.start) for one in phones if one.end > one.start]
    mean = sum(sure * length for sure, length in weighted) / sum(length for _, length in weighted)
    assert mean == pytest.approx(speech.confidence, rel=1e-4)
    assert len({sure for sure, _ in weighted}) > 5
    assert {one.confidence for one in voice("A boat.").phones} == {None}


def test_silence_that_was_put_in_has_no_confidence(voice):  # noqa: F811
    made = voice("<speak>A boat.<break time='1s'/> A boat.</speak>", best_of=1)
    assert np.isnan(made.sure).sum() > 30 and len(made.sure) == len(made.codes)
    assert all(one.confidence is None or one.confidence < 0 for one in made.phones)
    assert sum(one.confidence is not None for one in made.phones) >= len(made.phones) - 2


def test_an_ordering_without_times_edits_nothing(speech, voice, monkeypatch):  # noqa: F811
    part = speech.parts[0]
    without = replace(speech, parts=[part._replace(speech=replace(part.speech, durations=None))], durations=None)
    with pytest.raises(UserError, match="keeps no times of phones"):
        without.edit(1, again=True)
    assert {(one.start, one.end, one.confidence) for one in without.phones} == {(None, None, None)}
    ordering = orderings.create("concat")
    monkeypatch.setattr(voice.pipeline.engine, "ordering", ordering)
    for asked in ({"rate": 0.8}, {"timing": "x.TextGrid"}):
        with pytest.raises(UserError, match=f"{next(iter(asked))}: the ordering concat of this model keeps no times"):
            voice(TEXT, **asked)


def test_a_speech_that_was_told_otherwise_is_not_edited(speech, voice, monkeypatch):  # noqa: F811
    monkeypatch.setattr(voice.pipeline, "mixing", object())
    with pytest.raises(UserError, match="made with another nar_temperature or match_voice"):
        voice.edit(speech, 2, again=True)
