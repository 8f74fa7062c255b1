"""`ellav synth --texts` on a miniature model, and what else goes into files: formats, times, transcripts beside."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from bundles import SAID, speak, trained_folders, write_prompt
from test_synth import LONG, folder, synth, voice  # noqa: F401
from test_times import read_srt

from ellav import Synthesizer
from ellav.bin import synth_texts
from ellav.bin.main import main
from ellav.bin.synth_files import FORMATS
from ellav.bin.synth_texts import Line, read_lines
from ellav.data.audio import write_wav
from ellav.errors import UserError
from ellav.infer import synthesizer
from ellav.infer.readings import ranked
from ellav.infer.times import word_times
from ellav.infer.transcripts import transcript_beside

LINES = "one\tA boat.\ntwo\tThe old sailor.\tawb\nthree\tA boat.\t{mine}\n\nfour\tSold.\t\n"


@pytest.fixture
def texts(folder, tmp_path):  # noqa: F811
    """Four texts after three prompts, one of them a recording with its transcript beside it."""
    mine = write_prompt(tmp_path / "mine.wav", speak(voice="rms"))
    (tmp_path / "mine.txt").write_text(f"{SAID}\n")
    path = tmp_path / "lines.tsv"
    path.write_text(LINES.format(mine=mine))
    return path


@pytest.fixture
def many(synth, texts, tmp_path):  # noqa: F811
    """Runs `ellav synth --texts`: (exit status, lines on stdout, lines on stderr)."""

    def run(*arguments, out="speech", texts=texts):
        return synth(f"--texts={texts}", *arguments, text=None, out=tmp_path / out)

    return run


def audio(folder):  # noqa: F811
    """The samples of each file of a folder, by its name."""
    return {path.name: soundfile.read(path)[0] for path in sorted(folder.iterdir())}


def test_each_text_becomes_what_it_becomes_alone(many, voice, tmp_path):  # noqa: F811
    status, out, err = many("--seed=3")
    assert (status, err, len(out)) == (0, [], 1) and "4 texts" in out[0]
    made = audio(tmp_path / "speech")
    assert list(made) == ["four.wav", "one.wav", "three.wav", "two.wav"]
    alone = {
        "one": voice("A boat.", seed=3),
        "two": voice("The old sailor.", "awb", seed=3),
        "three": voice("A boat.", tmp_path / "mine.wav", SAID, seed=3),
        "four": voice("Sold.", seed=3),
    }
    for name, speech in alone.items():
        write_wav(tmp_path / "right.wav", speech.wav, speech.sample_rate)
        assert np.array_equal(made[f"{name}.wav"], soundfile.read(tmp_path / "right.wav")[0])


def test_neither_order_nor_what_is_there_changes_a_text_and_nothing_is_made_twice(many, texts, tmp_path, monkeypatch):
    assert many("--srt")[0] == 0
    first = {path.name: path.read_bytes() for path in (tmp_path / "speech").iterdir()}
    assert len(first) == 8
    backwards = tmp_path / "backwards.tsv"
    backwards.write_text("\n".join(texts.read_text().split("\n")[::-1]))
    (tmp_path / "speech/two.wav").unlink()
    (tmp_path / "speech/four.srt").unlink()
    before = (tmp_path / "speech/one.wav").stat()
    status, out, _ = many("--srt", texts=backwards)
    assert status == 0 and "2 texts" in out[0] and "2 were there already" in out[0]
    assert {path.name: path.read_bytes() for path in (tmp_path / "speech").iterdir()} == first
    assert (tmp_path / "speech/one.wav").stat().st_mtime_ns == before.st_mtime_ns
    monkeypatch.setattr(synthesizer, "Synthesizer", lambda *_: pytest.fail("loaded"))
    status, out, err = many("--srt")
    assert (status, err) == (0, []) and "all 4 texts are there already" in out[0]


def test_an_interrupted_run_goes_on(many, tmp_path, monkeypatch):
    plain, written = synth_texts.write_speech, []

    def interrupted(files, speech):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(files.audio.name)
        plain(files, speech)

    monkeypatch.setattr(synth_texts, "write_speech", interrupted)
    status, _, err = many()
    assert status == 130 and "the same command makes what is missing" in err[-1]
    assert sorted(path.name for path in (tmp_path / "speech").iterdir()) == sorted(written)
    monkeypatch.undo()
    status, out, _ = many()
    assert status == 0 and "2 texts" in out[0] and "2 were there already" in out[0]
    assert many(out="whole")[0] == 0
    for name, wav in audio(tmp_path / "whole").items():
        assert np.array_equal(wav, soundfile.read(tmp_path / "speech" / name)[0])


def test_what_cannot_be_spoken_is_told_in_a_line_and_the_others_are_made(many, tmp_path):
    write_prompt(tmp_path / "quiet.wav", np.zeros(32000, np.float32))
    (tmp_path / "quiet.txt").write_text(SAID)
    lines = tmp_path / "some.tsv"
    quiet = tmp_path / "quiet.wav"
    lines.write_text(f"a\tПривет.\nb\tA boat.\t{quiet}\nc\tA boat.\nd\t...\ne\tSold.\t{quiet}\n", encoding="utf-8")
    status, out, err = many("--srt", texts=lines)
    assert status == 1 and "speech: 1 text, " in out[0] and len(err) == 5
    for line, number, said in zip(err, (1, 2, 4, 5), ("Привет", "silent", "...", "silent"), strict=False):
        assert line.startswith(f"ellav synth: {lines}:{number}: '") and said in line
    assert err[4] == "ellav synth: 4 of 5 texts were not spoken, see above; the same command tries again"
    assert sorted(path.name for path in (tmp_path / "speech").iterdir()) == ["c.srt", "c.wav"]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("two A boat.", "2: no tab; a line is an id, a tab and the text"),
        ("two\tA boat.\tawb\tslt", "2: 4 columns; a line is"),
        ("\tA boat.", "2: id '' names no file"),
        ("../two\tA boat.", "2: id '../two' names no file"),
        (".two\tA boat.", "2: id '.two' names no file"),
        ("one\tA boat.", "2: id 'one' stands in line 1 too"),
        ("two\t ", "2: 'two' has no text"),
        ("two\tA boat.\tnobody", "2: prompt nobody: no such file, and none of the built-in prompts (slt, awb)"),
        ("two\tA boat.\t{other}", "2: prompt {other}: needs its transcript; write its words into {beside}"),
    ],
)
def test_a_bad_line_is_named_before_anything_is_spoken(many, folder, tmp_path, monkeypatch, row, said):  # noqa: F811
    monkeypatch.setattr(synthesizer, "Synthesizer", lambda *_: pytest.fail("loaded"))
    names = {"other": folder / "slt.wav", "beside": folder / "slt.txt"}
    lines = tmp_path / "bad.tsv"
    lines.write_text(f"one\tA boat.\n{row.format(**names)}\nthree\tA boat.\n")
    status, out, err = many(texts=lines)
    assert (status, out, len(err)) == (1, [], 1) and f"{lines}:{said.format(**names)}" in err[0]
    assert not (tmp_path / "speech").exists()


def test_a_file_that_holds_no_texts_is_refused(many, tmp_path):
    for content, said in (
        (b"\n\n", "holds no text"),
        (b"a\tcaf\xe9", "not UTF-8: byte 6, in line 1"),
        (None, "no such"),
    ):
        path = tmp_path / f"{len(said)}.tsv"
        if content is not None:
            path.write_bytes(content)
        status, _, err = many(texts=path)
        assert status == 1 and len(err) == 1 and str(path) in err[0] and said in err[0]


def test_lines_are_read_as_people_write_them(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_bytes('\ufeffé-1.b\t Café, "bar". \r\n\r\n2\tb\t me.wav \r\n'.encode())
    assert read_lines(path) == [Line(1, "é-1.b", 'Café, "bar".', None), Line(3, "2", "b", "me.wav")]


def test_options_that_do_not_go_with_many_texts_are_refused(many, synth, texts, tmp_path):  # noqa: F811
    (tmp_path / "file").write_text("")
    for arguments, out, said in (
        (["--text=A."], "speech", "--texts and --text exclude each other"),
        (["--stream=-"], "speech", "--texts and --stream exclude each other"),
        ([f"--srt={tmp_path / 'a.srt'}"], "speech", "--srt names no file beside --texts"),
        ([f"--textgrid={tmp_path / 'a.TextGrid'}"], "speech", "--textgrid names no file beside --texts"),
        (["--prompt-text=Hm."], "speech", "without --prompt"),
        (["--prompt=nobody"], "speech", "nobody: no such file"),
        (["--best-of=0"], "speech", "--best-of=0 is no number of readings; give 1 to 100"),
        (["--seed=-1"], "speech", "--seed=-1 is no seed"),
        ([], "file", "is a file; with --texts it names a folder"),
    ):
        status, _, err = many(*arguments, out=out)
        assert status == 1 and len(err) == 1 and said in err[0]
    status, _, err = synth(f"--texts={texts}", text=None, out=None)
    assert status == 1 and "--texts needs --out FOLDER" in err[0]
    status, _, err = synth("--format=flac")
    assert status == 1 and "--format is for --texts" in err[0]
    status, _, err = synth("--stream=-", "--best-of=2", out=None)
    assert status == 1 and "--stream and --best-of exclude each other" in err[0]
    status, _, err = synth("--stream=-", "--follow=2", out=None)
    assert status == 1 and "--stream and --follow exclude each other" in err[0]


def test_no_text_is_written_over_a_prompt(many, tmp_path):
    (tmp_path / "speech").mkdir()
    mine = write_prompt(tmp_path / "speech/mine.wav")
    (tmp_path / "speech/mine.txt").write_text(SAID)
    lines = tmp_path / "over.tsv"
    lines.write_text(f"one\tA boat.\t{mine}\nmine\tA boat.\n")
    before = mine.read_bytes()
    status, _, err = many("--srt", texts=lines)
    assert status == 1 and f"{lines}:2: 'mine' would be written over the prompt {mine}" in err[0]
    assert mine.read_bytes() == before


def test_a_folder_that_another_process_writes_is_left_alone(many, tmp_path):
    from ellav.data.outputs import locked

    with locked(tmp_path / "speech/texts"):
        status, _, err = many()
    assert status == 1 and f"process {os.getpid()} on " in err[0] and "is writing it" in err[0]


def test_a_prompt_is_read_once_and_its_remarks_are_told_once(many, voice, folder, tmp_path, monkeypatch):  # noqa: F811
    from ellav.infer.prompts import PromptReader

    plain, read = PromptReader.__call__, []
    monkeypatch.setattr(
        PromptReader, "__call__", lambda self, *given, **more: read.append(given) or plain(self, *given, **more)
    )
    lines = tmp_path / "same.tsv"
    lines.write_text(f"a\tA boat.\nb\tSold.\t{folder / 'slt.wav'}\nc\tA horse.\tawb\n")
    status, _, err = many(f"--prompt={folder / 'slt.wav'}", "--prompt-text=auto", texts=lines)
    assert status == 0 and sum("heard in" in line for line in err) == 1 and len(read) == 2
    heard = voice.hear(folder / "slt.wav", SAID)
    assert np.array_equal(voice("A boat.", heard).codes, voice("A boat.", folder / "slt.wav", SAID).codes)
    with pytest.raises(UserError, match="read already"):
        voice("A boat.", heard, SAID)


def test_a_transcript_beside_a_recording_is_its_words(synth, voice, folder, tmp_path):  # noqa: F811
    mine = Path(shutil.copy(folder / "slt.wav", tmp_path / "mine.wav"))
    assert transcript_beside(mine) is None
    status, _, err = synth(f"--prompt={mine}")
    assert status == 1 and f"write its words into {tmp_path / 'mine.txt'}, or give them with --prompt-text" in err[0]
    (tmp_path / "mine.txt").write_text(f" {SAID.replace(' ', '   ', 1).replace(' ', chr(10))}\n")
    assert transcript_beside(str(mine)) == SAID
    assert synth(f"--prompt={mine}")[0] == 0
    assert np.array_equal(voice("A boat.", mine).codes, voice("A boat.", mine, SAID).codes)
    for content, said in ((b"\n", "is empty"), (b"\xe9", "not UTF-8"), (b"a" * 200_000, "larger than 0.1 MB")):
        (tmp_path / "mine.txt").write_bytes(content)
        status, _, err = synth(f"--prompt={mine}")
        assert status == 1 and len(err) == 1 and f"{tmp_path / 'mine.txt'}: {said}" in err[0]


@pytest.mark.parametrize("ending", FORMATS)
def test_the_name_says_the_format(synth, many, texts, tmp_path, ending):  # noqa: F811
    assert synth(out=tmp_path / f"a{ending}")[0] == 0
    texts.write_text("a\tA boat.\n")
    assert many(f"--format={ending[1:]}")[0] == 0
    one, other = (soundfile.read(path)[0] for path in (tmp_path / f"a{ending}", tmp_path / f"speech/a{ending}"))
    about = soundfile.info(tmp_path / f"a{ending}")
    encoding = {".ogg": "VORBIS"}.get(ending, "PCM_16")
    assert (about.format, about.subtype) == (ending[1:].upper(), encoding) and np.array_equal(one, other)


def test_minutes_of_ogg_are_written_and_what_is_too_loud_is_cut_off(tmp_path):
    wav = np.random.default_rng(0).normal(0, 0.05, 1 << 21).astype(np.float32)
    wav[:8000] *= 200
    write_wav(tmp_path / "a.ogg", wav, 16000)
    back = soundfile.read(tmp_path / "a.ogg")[0]
    assert len(back) == len(wav) and np.abs(back).max() < 3


def test_times_are_written_beside_the_audio_or_where_they_are_wanted(synth, voice, tmp_path):  # noqa: F811
    from praatio import textgrid

    speech = voice("A boat, a horse.")
    (tmp_path / "conf.yaml").write_text("textgrid: true\n")
    text = "A boat, a horse."
    assert synth("--srt", f"--config={tmp_path / 'conf.yaml'}", text=text)[0] == 0
    assert synth(f"--srt={tmp_path / 'b.srt'}", f"--textgrid={tmp_path / 'b.textgrid'}", text=text)[0] == 0
    wanted = word_times(speech.symbols, speech.word_of_phone, speech.durations, speech.frame_rate, speech.words)
    for stem in ("out.srt", "b.srt"):
        back = read_srt(tmp_path / stem)
        assert [one[2] for one in back] == [one.label for one in wanted] == ["A", "BOAT", "A", "HORSE"]
        np.testing.assert_allclose([one[:2] for one in back], [one[:2] for one in wanted], atol=0.0006)
    for stem in ("out.TextGrid", "b.textgrid"):
        grid = textgrid.openTextgrid(str(tmp_path / stem), includeEmptyIntervals=False)
        entries = grid.getTier("words").entries
        assert [entry.label for entry in entries] == [one.label for one in wanted]
        np.testing.assert_allclose([entry[:2] for entry in entries], [one[:2] for one in wanted], atol=1e-4)
        assert grid.maxTimestamp == pytest.approx(soundfile.info(tmp_path / "out.wav").duration, abs=0.03)
    status, _, err = synth("--srt=a.txt")
    assert status == 1 and "a.txt: must end in .srt" in err[0]


def test_an_ordering_that_keeps_no_times_says_so_before_anything_is_spoken(synth, many, folder, tmp_path):  # noqa: F811
    (tmp_path / "valle").mkdir()
    made = trained_folders(tmp_path / "valle", "concat")
    prompt = [f"--prompt={folder / f'{name}.wav'}" for name in ("slt", "awb")] + 2 * [f"--prompt-text={SAID}"]
    packed = tmp_path / "valle/packed"
    assert main(["pack", *made, *prompt, f"--out={packed}"]) == 0
    for option in ("textgrid", "srt"):
        for status, _, err in (synth(f"--{option}", model=packed), many(f"--{option}", f"--model={packed}")):
            assert status == 1 and len(err) == 1
            assert f"--{option}: the ordering concat of this model keeps no times of phones" in err[0]
    assert not list(tmp_path.glob("out.*")) and not (tmp_path / "speech").exists()
    assert synth("--best-of=2", model=packed)[0] == 0


def test_the_best_reading_is_kept_and_told(synth, voice, tmp_path):  # noqa: F811
    text = "The old sailor bought a boat."
    readings = [voice(text, seed=seed, best_of=1) for seed in (5, 6, 7)]
    assert all(one.confidence < 0 and one.facts["cuts"] for one in readings)  # untrained: each is cut somewhere
    assert all(one.alignment_score is None for one in readings)  # there is nothing to choose from
    for one in readings:
        one.facts["alignment_score"] = voice.judge(one.parts[0].speech)
    best = ranked(readings)[0]
    made = voice(text, seed=5, best_of=3)
    assert made.seeds == best.seeds and np.array_equal(made.codes, best.codes)
    assert made.alignment_score == best.alignment_score and made.confidence == pytest.approx(best.confidence)
    assert made.confidence == pytest.approx(made.facts["ar_confidence"] + made.facts["nar_confidence"])
    plain = voice(text, seed=5)
    assert plain.confidence is None and np.array_equal(plain.codes, readings[0].codes)
    status, out, _ = synth("--seed=5", "--best-of=3", text=text)
    assert status == 0 and ", the best of 3 readings, " in out[0] and f", confidence {made.confidence:.3f}," in out[0]
    write_wav(tmp_path / "right.wav", made.wav, made.sample_rate, about=made.about)
    assert (tmp_path / "out.wav").read_bytes() == (tmp_path / "right.wav").read_bytes()


def test_a_model_may_be_packed_to_choose_among_readings(synth, folder, tmp_path, capsys):  # noqa: F811
    packed, text = tmp_path / "packed", "The old sailor bought a boat."
    made = [*trained_folders(tmp_path), f"--prompt={folder / 'slt.wav'}", f"--prompt-text={SAID}"]
    assert main(["pack", *made, "--best-of=3", f"--out={packed}"]) == 0
    capsys.readouterr()
    chooses = Synthesizer(packed)
    assert chooses(text, seed=5).seeds == chooses(text, seed=5, best_of=3).seeds
    assert chooses(text, seed=5, best_of=1).seeds == [5]
    assert "the best of 3 readings" in (packed / "README.md").read_text()
    status, out, _ = synth("--seed=5", text=text, model=packed)
    assert status == 0 and ", the best of 3 readings, " in out[0]
    status, out, _ = synth("--seed=5", "--best-of=1", text=text, model=packed)
    assert status == 0 and "readings" not in out[0]
    assert synth(f"--stream={tmp_path / 'speech.raw'}", text=text, model=packed, out=None)[0] == 0
    capsys.readouterr()
    assert main(["pack", *made, "--best-of=0", f"--out={tmp_path / 'other'}"]) == 1
    assert "--best-of=0 is no number of readings; give 1 to 100" in capsys.readouterr().err
    model = packed / "model.yaml"
    model.write_text(model.read_text().replace("best_of: 3", "best_of: many"))
    status, _, err = synth(model=packed)
    assert status == 1 and f"{model}: best_of='many' is no number of readings" in err[0]


def test_each_part_of_a_long_text_is_chosen_on_its_own(voice):  # noqa: F811
    text = " ".join(LONG.split()[:60])
    made = voice(text, best_of=3)
    assert len(made.chunks) > 2 and len(made.seeds) == len(made.chunks)
    assert set(made.seeds) <= {0, 1, 2} and len(set(made.seeds)) > 1 and made.confidence < 0
    with pytest.raises(UserError, match="best_of=0 is no number of readings"):
        voice(text, best_of=0)
