"""Speech while its text is still being written: sample for sample what is spoken where the whole text is known."""

import subprocess
import time
import types
from dataclasses import replace

import numpy as np
import pytest
from bundles import speak as flite
from bundles import trained_folders, write_prompt
from hypothesis import given, settings
from hypothesis import strategies as st
from test_stream import KINDS, pipeline, request_of
from test_synth_stream import command, heard

from ellav import Synthesizer
from ellav.bin.main import main
from ellav.data.audio import as_pcm
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.stream import Part, Windows, speak

GROWING = [kind for kind in KINDS if kind[1].get("global_advance") is False]
SAID = "The old sailor bought three green boats."
TEXT = "The old sailor bought a boat, and the apple fell. The queen bought three"


def grown(request, sizes, pause=0.4):
    """The part as more and more of its phones are known; sizes: how many at once."""
    known = len(request.durations) + 1
    for size in sizes:
        if known >= len(request.phones):
            break
        part = {name: getattr(request, name)[:known] for name in ("phones", "word_of_phone", "least", "most")}
        yield Part(replace(request, more=True, max_frames=1, **part), 9.0)
        known += size
    yield Part(request, pause)


@pytest.mark.parametrize("kind", GROWING, ids=lambda kind: f"{kind[0]} {kind[2]}")
def test_speech_in_pieces_is_speech_at_once(kind):
    speakers = {name: pipeline(kind, name) for name in ("whole", "smooth")}

    @settings(max_examples=20, deadline=None)
    @given(
        st.sampled_from(sorted(speakers)),
        st.integers(0, 1000),
        st.lists(st.integers(1, 5), max_size=30),
        st.tuples(st.floats(0.01, 0.5), st.floats(0.01, 1), st.floats(0, 0.5), st.floats(0, 0.3)),
    )
    def check(codec, seed, sizes, windows):
        one, two = request_of(seed, 4), request_of(seed + 1, 2)
        whole = list(speak(speakers[codec], [Part(one, 0.4), Part(two, 0.4)], seed, Windows(*windows)))
        parts = [*grown(one, sizes), *grown(two, sizes[::-1])]
        pieces = list(speak(speakers[codec], parts, seed, Windows(*windows)))
        for piece, right in zip(pieces, whole, strict=True):
            np.testing.assert_array_equal(piece, right)

    check()


def test_more_text_is_asked_for_when_what_is_known_is_spoken():
    request, asked, made = request_of(5, 8), [], []
    parts = list(grown(request, [1] * 100))

    def asking():
        for number, part in enumerate(parts):
            asked.append((number, sum(map(len, made))))
            yield part

    for piece in speak(pipeline(GROWING[0]), asking(), 0, Windows(0.05, 0.05, 0, 0)):
        made.append(piece)
    spoken = [samples for _, samples in asked]
    assert len(asked) == len(parts) and spoken == sorted(spoken) and len(set(spoken)) > len(parts) // 3


def test_whoever_stops_listening_while_text_is_waited_for_ends_the_decoding(monkeypatch):
    sessions, opened = [], Engine.open
    monkeypatch.setattr(Engine, "open", lambda *given: sessions.append(opened(*given)) or sessions[-1])
    parts = list(grown(request_of(5, 8), [1] * 100))

    def breaks():
        yield from parts[:12]
        raise UserError("no more")

    pieces = speak(pipeline(GROWING[0]), breaks(), 0, Windows(0.05, 0.05, 0, 0))
    next(pieces)
    assert sessions[0].peek(1) is not None
    pieces.close()
    assert sessions[0].peek(1) is None and not sessions[0].busy
    with pytest.raises(UserError, match="no more"):
        list(speak(pipeline(GROWING[0]), breaks(), 0, Windows(0.05, 0.05, 0, 0)))
    assert sessions[1].peek(1) is None and not sessions[1].busy


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """An untrained model without global advance, packed."""
    root = tmp_path_factory.mktemp("growing")
    made = trained_folders(root, ordering_conf={"global_advance": False, "local_advance": 3})
    write_prompt(root / "slt.wav", flite(SAID, "slt"))
    options = [f"--prompt={root / 'slt.wav'}", f"--prompt_text={SAID}", f"--out={root / 'packed'}"]
    assert main(["pack", *made, *options]) == 0
    return root


@pytest.fixture(scope="module")
def voice(folder):
    return Synthesizer(folder / "packed")


def test_a_word_is_spoken_before_its_sentence_has_ended(voice):
    def words():
        for word in TEXT.split(" "):
            asked.append(word)
            yield word + " "

    asked = []
    assert voice.grows
    pieces = voice.stream(words(), windows=Windows(0.1, 0.2, ahead=0))
    assert isinstance(pieces, types.GeneratorType) and not asked
    first = next(pieces)
    assert len(asked) < 6 and len(first)
    made = heard([first, *pieces])
    for size in (1, 7, 1000):
        cut = [TEXT[i : i + size] for i in range(0, len(TEXT), size)]
        np.testing.assert_array_equal(made, heard(voice.stream(cut, windows=Windows(0.1, 0.2, ahead=0))))


def test_ssml_is_not_taken_for_words(voice):
    text = "<speak>The old <break time='100ms'/> sailor.</speak>"
    np.testing.assert_array_equal(heard(voice.stream(list(text))), heard(voice.stream(text)))


def test_sentences_are_spoken_where_the_front_end_does_not_say_what_is_certain(voice, monkeypatch):
    asked = []
    monkeypatch.delattr(type(voice.text), "words_ahead")
    assert not voice.grows
    next(voice.stream((asked.append(word) or word + " " for word in TEXT.split(" ")), windows=Windows(0.1, 0.2)))
    assert " ".join(asked).endswith("fell. The")


def test_a_sentence_in_pieces_is_what_a_call_says_of_it(voice):
    sentence, large = TEXT.partition(". ")[0] + ".", Windows(60, 60)
    whole = voice(sentence, seed=3)
    assert whole.seeds == [3]
    for said in (sentence, list(sentence), [word + " " for word in sentence.split()]):
        np.testing.assert_array_equal(heard(voice.stream(said, seed=3, windows=large)), whole.wav)
    assert len(heard(voice.stream(sentence, seed=4, windows=large))) != len(whole.wav)


def test_what_is_no_text_is_refused(voice):
    for empty in ([], ["  ", "\n"], ["..."]):
        with pytest.raises(UserError, match="the text is empty"):
            list(voice.stream(empty))
    with pytest.raises(UserError, match="must be strings"):
        list(voice.stream(["A boat ", 1]))
    pieces = voice.stream(["A boat \u041f\u0440\u0438\u0432\u0435\u0442 is here. So"], windows=Windows(0.1, 0.1))
    with pytest.raises(UserError, match="\u041f\u0440\u0438\u0432\u0435\u0442"):
        list(pieces)


def test_a_pipe_is_spoken_word_by_word(folder, voice):
    made = subprocess.Popen(command(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    words = TEXT.split(" ")
    for word in words[:-4]:  # no sentence has ended
        made.stdin.write(f"{word} ".encode())
        made.stdin.flush()
        time.sleep(0.01)
    first = made.stdout.read(100)
    assert len(first) == 100 and made.poll() is None
    made.stdin.write(" ".join(words[-4:]).encode())
    made.stdin.close()
    rest = made.stdout.read()
    assert made.wait(60) == 0, made.stderr.read()
    assert first + rest == as_pcm(heard(voice.stream([TEXT]))).tobytes()
    made.stdout.close()
    made.stderr.close()
