"""What the page of `ellav demo` does, without a browser: a miniature model is asked by plain functions."""

import base64
import io
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
import soundfile
from bundles import packed_of_files, packed_of_languages

from ellav import Synthesizer
from ellav.demo.asked import FIRST, OWN, Asked, Limits, language_choices, voice_choices
from ellav.demo.desk import Desk, line
from ellav.demo.kept import Kept
from ellav.demo.picture import MOST_SECONDS, picture, times_of
from ellav.score.page.pictures import GUTTER, PIXELS_PER_SECOND

TEXT = "The old boat. Boat, the boat."


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    return packed_of_files(tmp_path_factory.mktemp("demo") / "model", "lexicon")


@pytest.fixture(scope="module")
def voice(packed):
    return Synthesizer(packed)


@pytest.fixture
def desk(voice):
    made = Desk([voice], ["mini"], Limits(text=200, seconds=5))
    yield made
    made.close()


@pytest.fixture
def asked(voice):
    return Asked(TEXT, voice_choices([voice])[0])


@pytest.fixture
def recording(packed):
    """The file of a recording of the model's one voice."""
    return str(next((packed / "prompts").glob("*.flac")))


def shown(desk, asked, number=0):
    """What the page shows in the end."""
    return list(desk.speak(asked))[-1][number]


def heard(html):
    """Samples and rate of the player in some HTML."""
    (content,) = re.findall(r'<audio [^>]*src="data:audio/flac;base64,([^"]+)"', html)
    return soundfile.read(io.BytesIO(base64.b64decode(content)), dtype="float32")


class Tags(HTMLParser):
    """Names and attributes of the tags of some HTML; whether each that is opened is closed."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.open = [], []
        self.feed(html)
        assert not self.open, self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("img", "path"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_what_is_shown_is_what_the_voice_says(desk, asked, voice):
    made, alone = shown(desk, asked), voice(TEXT)
    wav, rate = heard(made.speech)
    assert rate == 16000 and np.abs(wav - np.clip(alone.wav, -1, 1)).max() < 1 / 16384
    assert made.words == alone.words == ["The", "old", "boat", "Boat", "the", "boat"]
    assert f"{len(wav) / rate:.2f} s of speech" in made.line and "voice" in made.line
    other = shown(desk, replace(asked, seed=7.0))
    assert not np.array_equal(heard(other.speech)[0], wav)


def test_the_picture_has_each_word_where_it_is_said(desk, asked, voice):
    speech = voice(TEXT)
    html = shown(desk, asked).speech
    words = [dict(tag) for name, tag in Tags(html).tags if tag.get("class") == "word"]
    assert [int(word["data-word"]) for word in words] == list(range(len(speech.words)))
    ends = np.cumsum(speech.durations) / speech.frame_rate
    for number, word in enumerate(words):
        inside = np.flatnonzero(speech.word_of_phone == number)
        middle = (ends[inside[0]] - speech.durations[inside[0]] / speech.frame_rate + ends[inside[-1]]) / 2
        assert float(word["x"]) == pytest.approx(GUTTER + middle * PIXELS_PER_SECOND, abs=0.06)
    phones = [tag for _, tag in Tags(html).tags if tag.get("class") == "phone"]
    assert len(phones) == (speech.durations > 0).sum()
    (wave,) = [tag["d"] for _, tag in Tags(html).tags if tag.get("class") == "wave"]
    assert "nan" not in wave


def test_a_name_cannot_become_a_tag(desk, voice):
    speech = voice(TEXT)
    html = picture(replace(speech, words=["<script>", '"', "&", "'", "<b>", "x"]), '<i>"')
    assert not [name for name, _ in Tags(html).tags if name in ("script", "b", "i")]
    assert "<script>" not in line("<script>")


def test_of_long_speech_the_beginning_is_drawn(voice):
    speech = voice(TEXT)
    copies = 1 + MOST_SECONDS * speech.sample_rate // len(speech.wav)
    long = replace(
        speech,
        wav=np.tile(speech.wav, copies),
        symbols=speech.symbols * copies,
        durations=np.tile(speech.durations, copies),
        word_of_phone=np.tile(speech.word_of_phone, copies),
    )
    html = picture(long, "mini")
    (width,) = [int(tag["width"]) for name, tag in Tags(html).tags if name == "img"]
    assert width == MOST_SECONDS * PIXELS_PER_SECOND and f"The first {MOST_SECONDS} s" in html
    phones, _ = times_of(long, MOST_SECONDS)
    assert max(phone.end for phone in phones) <= MOST_SECONDS


def test_where_no_times_are_kept_there_are_no_borders_and_no_words_to_change(voice):
    html = picture(replace(voice(TEXT), durations=None), "mini")
    assert not [tag for _, tag in Tags(html).tags if tag.get("class") in ("word", "phone")]


@pytest.mark.parametrize("change", [{"again": True}, {"text": " boat,  boat "}, {"rate": 0.6}])
def test_a_word_is_changed_and_the_rest_kept(desk, asked, voice, change):
    first = shown(desk, asked)
    made = desk.edit(0, first.key, 1, **change)
    alone = voice(TEXT).edit(1, **change)
    assert made.words == alone.words and made.key not in ("", first.key)
    assert np.abs(heard(made.speech)[0] - np.clip(alone.wav, -1, 1)).max() < 1 / 16384
    again = desk.edit(0, made.key, 0, again=True)
    assert again.words == made.words and "s of speech" in again.line


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"key": "none", "word": 0}, "press Speak first"),
        ({"word": None}, "no word is chosen"),
        ({"word": 99}, "no number of a word"),
        ({"word": 0, "again": False, "text": " \n"}, "nothing to say instead"),
        ({"word": 0, "again": False, "text": "a" * 201}, "too many"),
        ({"word": 0, "again": False, "rate": 9}, "rate=9"),
        ({"word": 0, "again": False, "rate": None}, "say what is to be changed"),
        ({"word": 0, "again": False, "text": "zyx"}, "zyx"),
    ],
)
def test_what_cannot_be_changed_is_one_line_and_the_speech_stays(desk, asked, change, said):
    key = shown(desk, asked).key
    made = desk.edit(0, **{"key": key, "again": True, **change})
    assert said in made.line and 'class="wrong"' in made.line and made[2:] == (None, None)
    assert desk.edit(0, key, 0, again=True).words


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"text": " \n "}, "there is no text"),
        ({"text": None}, "there is no text"),
        ({"text": "boat " * 41}, "200 are spoken at most"),
        ({"text": "The unheard boat."}, "unheard"),
        ({"text": "<speak>boat"}, "SSML"),
        ({"rate": 3.0}, "rate=3.0"),
        ({"rate": None}, "rate=None"),
        ({"seed": 0.5}, "is no seed"),
        ({"seed": None}, "is no seed"),
        ({"seed": float("nan")}, "is no seed"),
        ({"voice": "nobody"}, "nobody"),
        ({"voice": OWN}, "there is no recording"),
    ],
)
def test_what_cannot_be_spoken_is_one_line(desk, asked, packed, change, said):
    for work in (desk.speak, desk.stream):
        made = list(work(replace(asked, **change)))[-1][0]
        assert said in made.line and 'role="alert"' in made.line and "\n" not in made.line
        assert str(packed) not in made.line and "Traceback" not in made.line


def test_a_recording_is_spoken_after_once_its_owner_has_agreed(desk, asked, recording, voice):
    own = replace(asked, voice=OWN, recording=recording, transcript="The old boat.")
    assert "consent" in shown(desk, own).line
    own = replace(own, agreed=True)
    assert "words are missing" in shown(desk, replace(own, transcript=" ")).line
    made = shown(desk, own)
    alone = voice(TEXT, recording, "The old boat.")
    assert np.abs(heard(made.speech)[0] - np.clip(alone.wav, -1, 1)).max() < 1 / 16384
    assert "the voice of the recording" in made.line


def test_text_and_recording_have_a_language_each(tmp_path, voice):
    folder = packed_of_languages(tmp_path / "model")
    two = Synthesizer(folder)
    assert language_choices([two]) == ["es", "en"] and language_choices([two, voice]) == language_choices([voice]) == []
    desk = Desk([two], ["two"])
    own = Asked("La mañana.", OWN, str(tmp_path / "model/en.wav"), "The old boat.", True, prompt_language="en")
    recorded = tmp_path / "model/en.wav", "The old boat."
    for asked, said in (
        (own, {"prompt_language": "en"}),
        (replace(own, text="The boat.", language="en"), {"language": "en"}),
    ):
        made, alone = shown(desk, asked), two(asked.text, *recorded, **said)
        assert np.abs(heard(made.speech)[0] - np.clip(alone.wav, -1, 1)).max() < 1 / 16384
    assert "de" in shown(desk, replace(own, language="de")).line
    desk.close()


def test_a_recording_that_is_none_is_one_line(desk, asked, tmp_path):
    path = tmp_path / "me.wav"
    own = replace(asked, voice=OWN, recording=str(path), transcript="The boat.", agreed=True)
    assert "send it again" in shown(desk, own).line
    path.write_bytes(b"no sound")
    assert "not readable" in shown(desk, own).line and str(tmp_path) not in shown(desk, own).line
    soundfile.write(path, np.zeros(6 * 16000), 16000)
    assert "longer than 5 s" in shown(desk, own).line
    soundfile.write(path, np.zeros(3 * 16000), 16000)
    assert "silent" in shown(desk, own).line


def test_what_a_recording_says_is_recognised(desk, recording, tmp_path, monkeypatch):
    monkeypatch.setattr(desk.voices[0], "transcribe", lambda given: f"{len(given.wav) / given.rate:.2f} s")
    said, remark = desk.transcribe(recording)
    assert said == "1.25 s" and "Recognised" in remark
    (tmp_path / "me.wav").write_bytes(b"")
    assert desk.transcribe(str(tmp_path / "me.wav"))[0] == ""
    assert desk.transcribe(None) == ("", "")


def test_two_models_speak_one_text_beside_each_other(voice, packed, asked):
    other = Synthesizer(packed, decoder="greedy")
    desk = Desk([voice, other], ["one", "other"])
    try:
        steps = list(desk.speak(asked))
        assert [[bool(one.key) for one in step] for step in steps] == [[False, False], [True, False], [True, True]]
        for made, alone in zip(steps[-1], (voice, other), strict=True):
            assert np.abs(heard(made.speech)[0] - np.clip(alone(TEXT).wav, -1, 1)).max() < 1 / 16384
        changed = desk.edit(1, steps[-1][1].key, 2, text="old")
        assert changed.words == ["The", "old", "old", "Boat", "the", "boat"]
        other.prompts = {"x": None}
        assert voice_choices([voice, other]) == [FIRST, OWN]
    finally:
        desk.close()


def test_a_fault_is_not_shown_but_logged(desk, asked, monkeypatch, caplog):
    def fail(*_, **__):
        raise RuntimeError("secret")

    monkeypatch.setattr(desk.voices[0], "reader", None)
    made = shown(desk, asked)
    assert "went wrong" in made.line and "NoneType" not in made.line and caplog.records


def test_only_the_latest_are_kept():
    kept = Kept(2)
    keys = [kept.put(thing) for thing in "abc"]
    assert [kept.get(key) for key in keys] == [None, "b", "c"] and len(set(keys)) == 3
    assert kept.get("") is None
