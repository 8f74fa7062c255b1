"""`Synthesizer.stream` and `ellav synth --stream` on a miniature model."""

import os
import re
import subprocess
import sys
import threading
import types
from pathlib import Path

import numpy as np
import pytest
import soundfile
from test_synth import LONG, SAID, folder, synth, voice  # noqa: F401

from ellav.data.audio import as_pcm
from ellav.errors import UserError
from ellav.infer import bundle
from ellav.infer.prompts import PromptWarning
from ellav.infer.stream import Windows
from ellav.infer.synthesizer import Synthesizer

DOC = Path(__file__).parents[2] / "docs/synthesis.md"
TEXT = "The old sailor bought a boat."


def heard(pieces):
    return np.concatenate(list(pieces))


def test_a_stream_says_what_a_call_says(voice):  # noqa: F811
    whole = voice(TEXT, seed=3.0)
    assert whole.seeds == [3] and len(whole.wav) >= 2 * 16000
    pieces = list(voice.stream(TEXT, seed=3))
    assert len(pieces) > 2 and all(piece.dtype == np.float32 and len(piece) for piece in pieces)
    assert len(heard(pieces)) == len(whole.wav)
    np.testing.assert_array_equal(heard(voice.stream(TEXT, seed=3, windows=Windows(60, 60))), whole.wav)


def test_a_prompt_of_ones_own_is_taken(voice, folder):  # noqa: F811
    given = {"prompt": folder / "awb.wav", "prompt_text": SAID}
    assert len(heard(voice.stream(TEXT, **given))) == len(voice(TEXT, **given).wav)
    with pytest.warns(PromptWarning, match="heard in .*THREE GREEN.*where that is wrong, give its words"):
        voice.stream(TEXT, folder / "slt.wav", "auto")


def test_a_long_text_is_streamed_in_its_parts(voice):  # noqa: F811
    text = " ".join(LONG.split()[:80])
    whole = voice(text)
    parts = len(whole.chunks)
    made = heard(voice.stream(text))
    # Where two parts meet, a call rounds silence up to whole frames.
    assert parts > 2 and 0 <= len(whole.wav) - len(made) <= 320 * (parts - 1)


def test_text_may_come_in_pieces_and_what_is_complete_is_spoken_at_once(voice):  # noqa: F811
    def words():
        for word in text.split(" "):
            asked.append(word)
            yield word + " "

    text, asked = f"{TEXT} The queen bought three. And so on", []
    pieces = voice.stream(words())
    assert isinstance(pieces, types.GeneratorType) and not asked
    first = next(pieces)
    assert " ".join(asked) == f"{TEXT} The"
    made = heard([first, *pieces])
    np.testing.assert_array_equal(made, heard(voice.stream([text])))


def test_ssml_may_come_in_pieces_and_is_spoken_when_it_is_whole(voice):  # noqa: F811
    text = '<speak>The <prosody rate="0.7">old sailor</prosody> bought three. The queen <break time="2s"/> too.</speak>'
    made = heard(voice.stream(text))
    np.testing.assert_array_equal(heard(voice.stream(list(text))), made)
    with pytest.raises(UserError, match="SSML: <loud> not understood"):
        list(voice.stream(["<speak><lo", "ud>The old</loud> sailor.</speak>"]))


def test_a_sentence_that_cannot_be_spoken_is_named_when_its_turn_has_come(voice):  # noqa: F811
    pieces = voice.stream([f"{TEXT} ... \u041f\u0440\u0438\u0432\u0435\u0442. {TEXT}"])
    assert len(next(pieces))
    with pytest.raises(UserError, match="\u041f\u0440\u0438\u0432\u0435\u0442"):
        list(pieces)


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "the text is empty"), (b"A boat.", "must be strings"), (["A", 1], "must be strings, not int")],
)
def test_what_is_no_text_is_refused(voice, text, said):  # noqa: F811
    with pytest.raises(UserError, match=said):
        list(voice.stream(text))


def test_what_can_be_refused_is_refused_before_the_first_piece_is_asked_for(voice):  # noqa: F811
    for wrong in ({"text": "..."}, {"text": 5}, {"text": TEXT, "prompt": "nobody"}, {"text": iter(()), "prompt": "x"}):
        with pytest.raises(UserError):
            voice.stream(**wrong)
    for empty in ([], ["  ", "\n"], ["..."]):
        with pytest.raises(UserError, match="the text is empty"):
            next(voice.stream(empty))


def test_what_the_documentation_shows_works(folder, tmp_path, monkeypatch):  # noqa: F811
    section = DOC.read_text(encoding="utf-8").partition("## Streaming")[2].partition("\n## ")[0]
    (block,) = re.findall(r"```python\n(.*?)```", section, re.S)
    monkeypatch.setattr(bundle, "PRETRAINED", folder / "packed")
    monkeypatch.chdir(tmp_path)
    exec(compile(block, str(DOC), "exec"), {})
    assert soundfile.info("speech.wav").duration > 1
    sizes = ", ".join(f"{name}={value}" for name, value in vars(Windows()).items())
    assert f"windows=Windows({sizes})" in section and all(f"`{name}`" in section for name in vars(Windows()))


def test_samples_are_rounded_and_cut_off():
    wav = np.array([0, 0.5, -1, 1, 2, -2, 1 / 32768], np.float32)
    assert as_pcm(wav).tolist() == [0, 16384, -32768, 32767, 32767, -32768, 1]


def test_a_stream_goes_into_a_file_or_a_named_pipe(synth, voice, tmp_path):  # noqa: F811
    status, out, err = synth(f"--stream={tmp_path / 'a.pcm'}", text=TEXT, out=None)
    assert (status, out) == (0, []) and len(err) == 2
    assert "16000 Hz, signed 16-bit little-endian, mono" in err[0] and "aplay -f S16_LE -r 16000" in err[0]
    content = (tmp_path / "a.pcm").read_bytes()
    assert content == as_pcm(heard(voice.stream(TEXT))).tobytes()
    os.mkfifo(tmp_path / "pipe")
    read = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    assert synth(f"--stream={tmp_path / 'pipe'}", text=TEXT, out=None)[0] == 0
    reader.join(30)
    assert read == [content]


def command(folder, *arguments):  # noqa: F811
    return [sys.executable, "-m", "ellav.bin.main", "synth", f"--model={folder / 'packed'}", "--stream=-", *arguments]


def test_standard_output_holds_samples_alone_and_text_may_come_by_standard_input(folder):  # noqa: F811
    said = "The old sailor bought a boat.\r\nThe qu\u00e9en bought three.".encode()
    done = subprocess.run(command(folder), input=said, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr
    right = Synthesizer(folder / "packed").stream(["The old sailor bought a boat.\nThe qu\u00e9en bought three."])
    assert done.stdout == as_pcm(heard(right)).tobytes()
    assert b"Hz" in done.stderr and done.stderr.count(b"\n") == 2


def test_a_reader_that_goes_away_ends_it_quietly(folder):  # noqa: F811
    made = subprocess.Popen(command(folder, f"--text={LONG}"), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert len(made.stdout.read(100)) == 100
    made.stdout.close()
    told = made.stderr.read()
    assert made.wait(60) == 141 and told.count(b"\n") == 1 and b"play it with" in told


def test_what_excludes_a_stream_is_one_line(synth, folder, tmp_path, monkeypatch):  # noqa: F811
    voice_file = tmp_path / "mine.wav"
    voice_file.write_bytes((folder / "slt.wav").read_bytes())
    for arguments, out, said in (
        (["--stream=-"], tmp_path / "a.wav", "--stream and --out exclude each other"),
        (["--stream=x", f"--textgrid={tmp_path / 'a.TextGrid'}"], None, "--stream and --textgrid exclude each other"),
        ([f"--stream={tmp_path}/none/a.pcm"], None, "does not exist"),
        ([f"--stream={tmp_path}"], None, "is a folder"),
        ([f"--stream={voice_file}", f"--prompt={voice_file}", f"--prompt-text={SAID}"], None, "is the prompt itself"),
    ):
        status, shown, err = synth(*arguments, out=out)
        assert status == 1 and not shown and len(err) == 1 and said in err[0]
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    status, _, err = synth("--stream=-", out=None)
    assert status == 1 and len(err) == 1 and "is a terminal" in err[0]
