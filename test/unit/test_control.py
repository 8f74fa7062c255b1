"""Rates, SSML, timing and requests, as a voice and its commands take them."""

import numpy as np
import pytest
import soundfile
from test_synth import folder, synth, voice  # noqa: F401

from ellav import Request
from ellav.errors import UserError
from ellav.infer.textgrid import write_textgrid
from ellav.plugins.text import Phones
from ellav.types import NONE

TEXT = "The old sailor bought three boats."


def grid(path, speech, durations=None):
    """A TextGrid of a speech, or of its phones with other durations."""
    durations = speech.durations if durations is None else durations
    write_textgrid(path, speech.symbols, speech.word_of_phone, durations, speech.frame_rate, speech.words)
    return path


@pytest.mark.parametrize("rate", [0.6, 1.5])
def test_a_rate_is_what_is_got(voice, synth, tmp_path, rate):  # noqa: F811
    plain, made = voice(TEXT), voice(TEXT, rate=rate)
    assert len(plain.codes) / len(made.codes) == pytest.approx(rate, rel=0.03)
    assert np.array_equal(voice(TEXT, rate=1.0).codes, plain.codes)
    assert synth(f"--rate={rate}", text=TEXT)[0] == 0
    assert soundfile.info(str(tmp_path / "out.wav")).frames == len(made.wav)
    heard = np.concatenate(list(voice.stream(TEXT, rate=rate)))
    assert len(heard) == pytest.approx(len(made.wav), abs=400)


@pytest.mark.parametrize("options", [{"best_of": 2}, {"follow": 0.6}, {"best_of": 2, "follow": 0.6}])
def test_a_rate_goes_with_whatever_else_is_asked_for(voice, options):  # noqa: F811
    text = " ".join([TEXT] * 6)
    slow, fast = (voice(text, rate=rate, **options) for rate in (0.7, 1.4))
    assert slow.words == fast.words and len(slow.codes) > 1.5 * len(fast.codes)
    assert len(slow.parts) > len(fast.parts) or len(slow.parts) > 1  # slow parts are cut sooner


def test_ssml_reaches_the_speech(voice, synth):  # noqa: F811
    text = (
        '<speak>The <prosody rate="0.5">old</prosody> <break time="200ms"/>sailor '
        '<phoneme alphabet="x-arpabet" ph="S OW1 L D">bought</phoneme> three boats.</speak>'
    )
    made = voice(text)
    assert made.words == ["THE", "OLD", "SAILOR", "BOUGHT", "THREE", "BOATS"] and len(made.parts) == 1
    phones = made.phones
    assert [one.phone for one in phones if one.word == "BOUGHT"] == ["S", "OW1", "L", "D"]
    pause = next(i for i, one in enumerate(phones) if one.word == "SAILOR") - 1
    assert phones[pause].phone == "sp" and made.durations[pause] == 10
    assert synth(text=text)[0] == 0
    spelled = voice('<speak>A <say-as interpret-as="characters">b2</say-as> boat.</speak>')
    assert spelled.words == ["A", "B", "TWO", "BOAT"]
    status, _, err = synth(text="<speak>A <loud>boat</loud></speak>")
    assert status == 1 and len(err) == 1 and "SSML: <loud> not understood; there are <prosody rate>" in err[0]
    status, _, err = synth(text='<speak><phoneme alphabet="ipa" ph="ʘ">boat</phoneme></speak>')
    assert status == 1 and len(err) == 1 and "no phone of English" in err[0]


def test_a_long_break_is_silence_that_nobody_speaks(voice):  # noqa: F811
    made = voice(f'<speak><break time="1s"/>{TEXT} <break time="2s"/>{TEXT}<break time="1.5s"/></speak>')
    words = [one for one in made.phones if one.word is not None]
    assert len(made.parts) == 2 and made.words == voice.text(f"{TEXT} {TEXT}").words
    assert words[0].start == pytest.approx(1.0, abs=0.03)
    assert words[len(words) // 2].start - words[len(words) // 2 - 1].end == pytest.approx(2.0, abs=0.05)
    assert len(made.codes) / 50 - words[-1].end == pytest.approx(1.5, abs=0.05)
    assert len(made.wav) == len(made.codes) * 320 and made.durations.sum() == len(made.codes)
    pieces = np.concatenate(list(voice.stream(f'<speak>{TEXT} <break time="2s"/>{TEXT}</speak>')))
    assert len(pieces) > 16000 * 3


def test_speech_takes_the_timing_of_other_speech(voice, synth, tmp_path):  # noqa: F811
    other = voice(TEXT, "awb", seed=4)
    path = grid(tmp_path / "other.TextGrid", other)
    made = voice(TEXT, timing=path)
    assert np.array_equal(made.durations, other.durations) and not np.array_equal(made.codes, other.codes)
    assert synth(f"--timing={path}", "--textgrid", text=TEXT)[0] == 0
    assert (tmp_path / "out.TextGrid").read_text() == path.read_text()
    lengthened = np.where(other.word_of_phone < 0, 80, other.durations)
    made = voice(TEXT, timing=grid(tmp_path / "silent.TextGrid", other, lengthened))
    spoken = made.word_of_phone >= 0
    assert np.array_equal(made.durations[spoken], other.durations[other.word_of_phone >= 0])
    assert len(made.codes) == pytest.approx(lengthened.sum(), abs=4)


def test_a_long_text_keeps_its_timing_over_parts(voice, tmp_path):  # noqa: F811
    text = " ".join([TEXT] * 6)
    other = voice(text, seed=1)
    assert len(other.parts) > 1
    made = voice(text, timing=grid(tmp_path / "a.TextGrid", other))
    first = [(one.word, one.start) for one in other.phones if one.word is not None]
    second = [(one.word, one.start) for one in made.phones if one.word is not None]
    assert [word for word, _ in first] == [word for word, _ in second]
    np.testing.assert_allclose([t for _, t in second], [t for _, t in first], atol=0.1)


def test_a_timing_of_other_words_is_refused(voice, synth, tmp_path):  # noqa: F811
    path = grid(tmp_path / "other.TextGrid", voice("A horse."))
    status, _, err = synth(f"--timing={path}", text=TEXT)
    assert status == 1 and len(err) == 1 and "phone 2, 'DH' of 'THE', is 'AH0'" in err[0]
    for given, options, said in (
        (tmp_path / "none.TextGrid", (), "none.TextGrid: not readable (no such file or directory)"),
        (path, ("--rate=0.8",), "--timing and --rate exclude each other"),
        (path, ("--stream=-",), "--stream and --timing exclude each other"),
    ):
        status, _, err = synth(
            f"--timing={given}", *options, text=TEXT, out=None if options == ("--stream=-",) else tmp_path / "o.wav"
        )
        assert status == 1 and len(err) == 1 and said in err[0]
    status, _, err = synth("--rate=2.5")
    assert status == 1 and len(err) == 1 and "--rate=2.5 is no rate" in err[0]


def test_nothing_is_asked_to_last_for_ever(voice, synth, tmp_path):  # noqa: F811
    speech = voice("A boat.")
    for phone, frames, said in (
        (speech.symbols.index("OW1"), 5000, " s in all; this model has spoken"),
        (len(speech.symbols) - 1, 10**6, "s of silence; it can be 0 to 600"),
    ):
        durations = speech.durations.copy()
        durations[phone] = frames
        path = grid(tmp_path / "long.TextGrid", speech, durations)
        status, _, err = synth(f"--timing={path}", text="A boat.")
        assert status == 1 and len(err) == 1 and said in err[0]
    (one,) = voice.requests("A boat.")
    with pytest.raises(UserError, match="its phones are to last"):
        voice(Request(one.text, one.said, least=100_000))
    loose = voice(Request(one.text, one.said, most=100_000))  # more than it will ever use
    assert len(loose.codes) < 500


def test_requests_are_what_a_call_makes_of_a_text_and_may_be_changed(voice):  # noqa: F811
    text = " ".join([TEXT] * 6)
    asked = voice.requests(text, rate=0.9)
    assert all(isinstance(one, Request) for one in asked) and len(asked) > 1
    assert np.array_equal(voice(asked, seed=3).codes, voice(text, rate=0.9, seed=3).codes)
    one = voice.requests("A boat.")[0]
    assert one.phones == voice.text("A boat.").phones and not one.is_timed
    least = np.array([NONE if phone != "OW1" else 12 for phone in one.phones])
    longer = voice(Request(one.text, one.said, least=least))
    assert longer.durations[longer.symbols.index("OW1")] >= 12
    exact = voice(one.lasting(np.arange(4, 4 + len(one.phones))))
    assert exact.durations.tolist() == list(range(4, 4 + len(one.phones))) and exact.facts["cuts"] == 0
    own = Request("two phones", Phones(["sp", "B", "OW1", "sp"], [-1, 0, 0, -1], ["BO"]))
    assert voice(own).words == ["BO"]


def test_a_request_may_take_a_part_of_the_prompt(voice):  # noqa: F811
    heard = voice.hear()
    one = voice.requests("A boat.")[0]
    length = heard.prompt.frames / 50
    made = voice(Request(one.text, one.said, prompt_span=(0.0, length * 0.7)))
    assert made.parts[0].prompt.frames < heard.prompt.frames == voice(one).parts[0].prompt.frames
    for span in ((0, 0.2), (1, 0.5), (-1, 2), (0, length + 1), ("a", 2), (0,)):
        with pytest.raises(UserError, match="prompt_span="):
            voice(Request(one.text, one.said, prompt_span=span))


def test_what_is_no_request_is_refused(voice):  # noqa: F811
    one = voice.requests("A boat.")[0]
    for text, options, said in (
        ([], {}, "the text is empty"),
        ([one, "A boat."], {}, "or requests"),
        (7, {}, "or requests"),
        (one, {"rate": 0.8}, "requests say themselves"),
        ("A boat.", {"rate": 0.8, "timing": "a.TextGrid"}, "exclude each other"),
        ("A boat.", {"rate": "slow"}, "is no rate"),
        (Request("x", Phones(["sp", "X1", "sp"], [-1, 0, -1], ["X"])), {}, "phone 'X1' is not in the token list"),
    ):
        with pytest.raises(UserError, match=said):
            voice(text, **options)
    with pytest.raises(UserError, match="language 'es': this model's texts are of one language"):
        voice.requests("A boat.", language="es")
