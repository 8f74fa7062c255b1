"""`ellav pack`, `ellav synth` and `Synthesizer` on a miniature model, and what each wrong input is answered with."""

import io
import os
import shutil
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from bundles import SAID, speak, trained_folders, write_prompt
from safetensors.torch import load_file

from ellav import Synthesizer, machine
from ellav.bin.main import main
from ellav.bin.synth import read_text
from ellav.data.kaldi import DataFolder
from ellav.errors import UserError
from ellav.infer import bundle
from ellav.infer.packing import Recording
from ellav.infer.prompts import PromptWarning
from ellav.score.card import _use, plugins_of

LONG = " ".join(
    f"The {a} sailor sold {n} boats, and the queen bought {n} more." for n in range(2, 15) for a in ("old", "new")
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Untrained models packed with two prompts, `slt` the default; see `trained_folders`."""
    root = tmp_path_factory.mktemp("model")
    made = trained_folders(root)
    for voice in ("slt", "awb"):
        write_prompt(root / f"{voice}.wav", speak(voice=voice))
    prompts = [f"--prompt={root / 'slt.wav'}", f"--prompt={root / 'awb.wav'}", *(2 * [f"--prompt-text={SAID}"])]
    (root / "card.md").write_text("# tiny\n\nNothing real.")
    assert main(["pack", *made, *prompts, f"--card={root / 'card.md'}", f"--out={root / 'packed'}"]) == 0
    return root


@pytest.fixture(scope="module")
def voice(folder):
    return Synthesizer(folder / "packed")


@pytest.fixture
def synth(folder, tmp_path, capsys):
    """Runs `ellav synth` with this model: (exit status, lines on stdout, lines on stderr)."""
    capsys.readouterr()

    def run(*arguments, text="A boat.", out=tmp_path / "out.wav", model=folder / "packed"):
        told = [f"--{n}={v}" for n, v in (("model", model), ("text", text), ("out", out)) if v is not None]
        status = main(["synth", *told, *map(str, arguments)])
        shown = capsys.readouterr()
        return status, shown.out.splitlines(), shown.err.splitlines()

    return run


def test_it_speaks_with_its_own_prompt_and_says_what_it_used(synth, tmp_path, folder):
    status, out, err = synth()
    assert (status, err, len(out)) == (0, [], 1)
    assert "voice slt" in out[0] and str(folder / "packed") in out[0]
    info = soundfile.info(str(tmp_path / "out.wav"))
    assert info.samplerate == 16000 and info.duration > 0.1 and info.subtype == "PCM_16"
    assert synth("--prompt=awb", out=tmp_path / "b.flac")[1][0].count("voice awb") == 1
    assert soundfile.info(str(tmp_path / "b.flac")).format == "FLAC"
    assert not list(tmp_path.glob("*.tmp"))


def test_a_decoder_that_fails_is_named_with_its_line(synth, tmp_path):
    path = tmp_path / "failing.py"
    path.write_text(
        "from ellav.plugins.decoders import decoders\n\n\n@decoders.register('failing')\nclass Failing:\n"
        "    history = 0\n\n    def __call__(self, logits, uniforms, history, codes):\n        return logits[5, 5, 5]\n"
    )
    status, _, err = synth(f"--plugin={path}", "--decoder=failing")
    assert status == 1 and len(err) == 1
    assert f"{path}:9, in __call__: IndexError: too many indices" in err[0]


def test_the_prompts_are_listed_default_first(synth):
    status, out, _ = synth("--list-prompts", text=None)
    assert status == 0 and [line.split()[0] for line in out] == ["slt", "awb"]
    assert SAID in out[0] and out[0].endswith("(default)")


def test_without_a_model_the_pretrained_one_speaks(synth, folder, monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "PRETRAINED", folder / "packed")
    status, out, _ = synth(model=None)
    assert status == 0 and str(folder / "packed") in out[0]
    assert Synthesizer()("A boat.").prompt == "slt"
    monkeypatch.setattr(bundle, "PRETRAINED", tmp_path / "none")
    status, _, err = synth(model=None)
    assert status == 1 and len(err) == 1
    assert "no pretrained model" in err[0] and "egs/mini/tts1/run.sh" in err[0]


def test_a_model_that_comes_with_ellav_has_a_name(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(bundle, "PRETRAINED", folder / "mini")
    monkeypatch.chdir(tmp_path)
    assert bundle.read_bundle("packed").folder == folder / "packed"
    with pytest.raises(UserError, match=r"mini: not a packed model .*, or name one that comes with ellav: packed$"):
        bundle.read_bundle("mini")
    (tmp_path / "packed").mkdir()  # a folder that is there is meant
    with pytest.raises(UserError, match="not a packed model"):
        bundle.read_bundle("packed")


def test_the_default_lies_inside_the_package_and_is_carried_by_an_installed_one():
    import configparser

    import ellav

    package = Path(ellav.__file__).parent
    assert package / "pretrained/libri" == bundle.PRETRAINED
    parser = configparser.ConfigParser()
    parser.read(package.parent / "setup.cfg")
    patterns = parser["options.package_data"]["ellav"].split()
    files = [
        "README.md",
        "model.yaml",
        "list/tokens.txt",
        "list/stats.yaml",
        "ar/config.yaml",
        "ar/best.safetensors",
    ]
    for name in (*files, "codec/codec.yaml", "codec/rvq_conv.safetensors", "prompts/84.flac"):
        place = bundle.PRETRAINED.relative_to(package) / name
        assert any(place.match(pattern) and len(Path(pattern).parts) == len(place.parts) for pattern in patterns), name


@pytest.mark.parametrize(("dtype", "size", "near"), [("bfloat16", 0.6, 2**-8), ("int8", 0.45, 0.5 / 127)])
def test_rounded_weights_take_less_and_are_computed_with_in_float32(folder, voice, tmp_path, dtype, size, near):
    """And of each model those are packed that validated best, under their own name."""
    nar = shutil.copytree(folder / "nar", tmp_path / "nar")
    (nar / "averaged.safetensors").rename(nar / "best.safetensors")
    (nar / "summary.json").write_text('{"valid": {"last": {"loss": 3}, "averaged": {"loss": 2}, "best": {"loss": 1}}}')
    made = [f"--ar={folder / 'ar'}", f"--nar={nar}", f"--codec={folder / 'codec'}", f"--tokens={folder / 'list'}"]
    out = folder / dtype
    prompt = [f"--prompt={folder / 'slt.wav'}", f"--prompt-text={SAID}"]
    assert main(["pack", *made, *prompt, f"--dtype={dtype}", f"--out={out}"]) == 0
    assert yaml.safe_load((out / "model.yaml").read_text())["which"] == {"ar": "averaged", "nar": "best"}
    assert [path.name for path in out.glob("nar/*.safetensors")] == ["best.safetensors"]
    assert f"weights `best`, stored as {dtype}" in (out / "README.md").read_text()
    exact, stored = (load_file(f / "ar/averaged.safetensors") for f in (folder / "packed", out))
    rounded = {name for name, weight in stored.items() if weight.dtype == getattr(torch, dtype)}
    assert rounded == {name for name, weight in exact.items() if dtype == "bfloat16" or weight.ndim == 2}
    loaded = Synthesizer(out)
    used = loaded.pipeline.engine.model.state_dict()
    for name, weight in exact.items():
        assert used[name].dtype == torch.float32
        largest = weight.abs().amax(dim=-1, keepdim=True)
        assert ((used[name] - weight).abs() <= 1.001 * near * largest).all()
    assert loaded("A boat.").wav.dtype == np.float32
    assert (out / "ar/averaged.safetensors").stat().st_size < size * (
        folder / "packed/ar/averaged.safetensors"
    ).stat().st_size


def test_the_card_says_what_is_known(folder):
    card = (folder / "packed/README.md").read_text()
    assert card.startswith("# tiny\n\nNothing real.\n")
    for known in ("`interleaved`", "`rvq_mel`: 16000 Hz, 50 frames", "| slt", SAID, "max_minutes: 0.1", "float32"):
        assert known in card
    assert "had not been scored" in card and str(folder) not in card


def test_the_card_names_the_plugins_that_are_needed():
    own = {"name": "mine", "module": "my plugin.py", "version": "2", "sha256": "ab12"}
    ours = {"name": "nucleus", "module": "ellav.plugins.decoders.nucleus", "version": None, "sha256": "cd34"}
    parts = {part: {"name": "x", "conf": {}, "record": ours} for part in ("text", "aligner", "decoder")}
    ar = {"ordering": {"name": "mine", "conf": {}, "record": own}, "codec": {"name": "rvq_mel"}}
    needed = plugins_of(parts, ar)
    assert needed == {"ordering `mine`": own}
    text = _use([], needed)
    assert "ellav synth --model . --plugin 'my plugin.py' --text" in text
    assert "- ordering `mine`: `my plugin.py` 2, SHA-256 `ab12`" in text
    assert "plugin" not in _use([], {})


def test_the_card_proposes_a_sentence_of_a_language_that_the_model_speaks():
    prompts = [
        Recording(name, Path(f"{name}.wav"), text) for name, text in (("a", "El rey d'Oro vino."), ("b", "Sí, señor."))
    ]
    first, second = _use(prompts, {}).splitlines()[5:7]
    assert first == "ellav synth --model . --text 'Sí, señor.' --out hello.wav"
    assert second.startswith("ellav synth --model . --text 'Sí, señor.' --prompt me.wav --prompt-text ")
    assert "--text 'El rey d'\"'\"'Oro vino.' --out" in _use(prompts[:1], {})


def test_the_card_shows_the_figures_of_the_experiment(folder, tmp_path):
    import json

    figures = {"value": 12.34, "low": 10.0, "high": 15.0, "utterances": 9}
    results = {
        "metrics": {"wer": "words in error, %"},
        "utterances": {"test": 9},
        "sets": {"test": {"recorded": {"wer": figures}, "synthesized": {"wer": figures}, "shuffled": {"wer": figures}}},
        "environment": {"date": "2026-01-02", "cpu": "Fast CPU 9, 2 cores"},
    }
    (tmp_path / "results.json").write_text(json.dumps(results))
    made = [f"--{n}={folder / d}" for n, d in (("ar", "ar"), ("nar", "nar"), ("codec", "codec"), ("tokens", "list"))]
    assert main(["pack", *made, f"--results={tmp_path / 'results.json'}", f"--out={tmp_path / 'packed'}"]) == 0
    card = (tmp_path / "packed/README.md").read_text()
    assert "Measured 2026-01-02 on Fast CPU 9, 2 cores" in card and "12.3 (10.0 to 15.0)" in card
    assert "recorded speech" in card and "shuffled" not in card and "words in error" in card


def test_prompts_come_from_a_data_folder(folder, tmp_path, capsys):
    wavs = {f"{v}-1": str(folder / f"{v}.wav") for v in ("awb", "slt")} | {"slt-0": str(tmp_path / "short.wav")}
    write_prompt(tmp_path / "short.wav", speak()[:3000])
    (tmp_path / "data").mkdir()
    DataFolder(wavs, dict.fromkeys(wavs, SAID), {u: u[:3] for u in wavs}).write(tmp_path / "data")
    made = [f"--{n}={folder / d}" for n, d in (("ar", "ar"), ("nar", "nar"), ("codec", "codec"), ("tokens", "list"))]

    def pack(*prompts):
        assert main(["pack", *made, "--prompts", str(tmp_path / "data"), *prompts, f"--out={tmp_path / 'p'}"]) == 0
        return [
            (one["name"], one["text"]) for one in yaml.safe_load((tmp_path / "p/model.yaml").read_text())["prompts"]
        ]

    assert pack("slt-1", "awb-1") == [("slt", SAID), ("awb", SAID)]
    # One of each speaker; what is no good prompt is passed over.
    assert pack() == [("awb", SAID), ("slt", SAID)]
    capsys.readouterr()
    assert main(["pack", *made, "--prompts", str(tmp_path / "data"), "slt-0", f"--out={tmp_path / 'q'}"]) == 1
    assert "too short" in capsys.readouterr().err
    assert main(["pack", *made, "--prompts", str(tmp_path / "data"), "kal-0", f"--out={tmp_path / 'q'}"]) == 1
    assert "no utterance 'kal-0'" in capsys.readouterr().err


def test_a_name_in_a_model_of_a_stranger_reaches_no_other_file(tmp_path):
    (tmp_path / "model.yaml").write_text(
        "{which: averaged, text: {name: x, conf: {}}, aligner: {name: x, conf: {}}, decoder: {name: x, conf: {}},"
        " prompts: [{name: ../../etc/x, text: a}]}"
    )
    with pytest.raises(UserError, match="a name has letters"):
        bundle.read_bundle(tmp_path)


SILENT = np.zeros(32000, np.float32)


@pytest.mark.parametrize(
    ("wav", "said"),
    [
        (lambda: speak()[:3200], "0.20 s are too short for a prompt"),
        (lambda: SILENT, "silent"),
        (lambda: np.where(np.arange(32000) == 500, np.nan, speak()[0]).astype(np.float32), "not finite"),
        (lambda: np.stack([speak(), -speak()], axis=1), "silent"),
        (lambda: np.zeros(0, np.float32), "holds no samples"),
    ],
    ids=["0.2 s", "silent", "NaN", "opposite channels", "empty"],
)
def test_a_recording_that_is_no_prompt_is_refused(synth, tmp_path, wav, said):
    prompt = write_prompt(tmp_path / "p.wav", wav(), subtype="FLOAT")
    status, _, err = synth(f"--prompt={prompt}", f"--prompt-text={SAID}")
    assert status == 1 and len(err) == 1
    assert str(prompt) in err[0] and said in err[0]
    assert not (tmp_path / "out.wav").exists()


def test_a_file_that_is_no_audio_is_refused(synth, tmp_path):
    (tmp_path / "p.wav").write_text("hello")
    status, _, err = synth(f"--prompt={tmp_path / 'p.wav'}", f"--prompt-text={SAID}")
    assert status == 1 and len(err) == 1 and "not readable" in err[0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prompt={slt}"], "needs its transcript"),
        (["--prompt={slt}", "--prompt-text="], "--prompt-text is empty"),
        (["--prompt={slt}", "--prompt-text=你好"], "你好"),
        (["--prompt=nobody"], "none of the built-in prompts (slt, awb)"),
        (["--prompt=awb", "--prompt-text=Hm."], "leave out --prompt-text"),
        (["--prompt-text=Hm."], "without --prompt"),
        (["--prompt=no.wav", "--prompt-text=Hm."], "no such file"),
        (["--prompt="], "--prompt is empty; name a recording"),
        (["--prompt=."], "--prompt .: is a folder; name a recording"),
        (["--prompt=/", "--prompt-text=Hm."], "--prompt /: is a folder; name a recording"),
    ],
)
def test_a_prompt_without_its_transcript_or_the_reverse_is_refused(synth, folder, arguments, said):
    status, _, err = synth(*(a.format(slt=folder / "slt.wav") for a in arguments))
    assert status == 1 and len(err) == 1 and said in err[0]


def test_nothing_is_written_over_the_prompt_and_times_have_a_name_of_their_own(synth, folder, tmp_path):
    voice = tmp_path / "mine.wav"
    voice.write_bytes((folder / "slt.wav").read_bytes())
    status, _, err = synth(
        f"--prompt={voice}", f"--prompt-text={SAID}", f"--out={tmp_path}/../{tmp_path.name}/mine.wav"
    )
    assert status == 1 and "is the prompt itself" in err[0]
    assert voice.read_bytes() == (folder / "slt.wav").read_bytes()
    status, _, err = synth(f"--textgrid={voice}")
    assert status == 1 and "mine.wav: must end in .TextGrid" in err[0]


@pytest.mark.parametrize("device", ["cuda:99", "tpu", "meta"])
def test_a_device_that_is_not_there_is_one_line(synth, device):
    status, _, err = synth(f"--device={device}")
    assert status == 1 and len(err) == 1 and f"device {device!r}" in err[0] and "there are: cpu" in err[0]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "the text is empty"), (" \n", "the text is empty"), ("...", "'...'"), ("Привет, 你好", "Привет")],
    ids=["none", "blank", "points", "other letters"],
)
def test_a_text_without_words_is_refused(synth, text, said):
    status, _, err = synth(text=text)
    assert status == 1 and len(err) == 1 and said in err[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"caf\xe9", "byte 4, in line 1, is 0xe9; convert it first, probably with `iconv -f ISO-8859-1 -t UTF-8 FILE`"),
        (b"One\r\n\x93two\x94", "byte 6, in line 2, is 0x93; convert it first, probably with `iconv -f WINDOWS-1252 "),
        ("One".encode("utf-16"), "byte 1, in line 1, is 0xff; convert it first, probably with `iconv -f UTF-16 "),
    ],
)
def test_text_that_is_not_utf_8_says_where_and_how_to_convert_it(monkeypatch, content, said):
    """Also where Python lets it through, as it does in UTF-8 mode and in the locale C."""
    for errors in ("strict", "surrogateescape"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content), "utf-8", errors))
        with pytest.raises(UserError) as refused:
            read_text(None)
        assert str(refused.value).startswith(f"standard input: not UTF-8: {said}")
    with pytest.raises(UserError, match=r"^--text: not UTF-8: "):
        read_text(content.decode("utf-8", "surrogateescape"))


def test_text_of_standard_input_is_taken_as_it_is(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xef\xbb\xbfCaf\xc3\xa9.\r\nTwo.\n"), "latin-1"))
    assert read_text(None) == "Café.\nTwo.\n" and read_text("Zürich 😀") == "Zürich 😀"


def test_an_output_that_cannot_be_written_is_refused_before_anything_is_loaded(synth, tmp_path, monkeypatch):
    import ellav.infer.synthesizer as module

    monkeypatch.setattr(module, "Synthesizer", lambda *_: pytest.fail("loaded"))
    (tmp_path / "folder.wav").mkdir()
    for out, said in (
        (tmp_path / "none/out.wav", "does not exist"),
        ("/proc/out.wav", "cannot be written"),
        (tmp_path / "folder.wav", "is a folder"),
        (tmp_path / "out.mp3", "must end in .wav, .flac or .ogg"),
    ):
        status, _, err = synth(out=out)
        assert status == 1 and len(err) == 1 and said in err[0] and str(out) in err[0]


@pytest.mark.parametrize(("rate", "channels"), [(8000, 1), (44100, 2)])
def test_other_rates_and_channels_are_taken_and_a_low_rate_is_warned_of(synth, tmp_path, rate, channels):
    import soxr

    wav = soxr.resample(speak(), 16000, rate)
    prompt = write_prompt(tmp_path / "p.wav", np.stack([wav] * channels, axis=1), rate)
    status, out, err = synth(f"--prompt={prompt}", f"--prompt-text={SAID}")
    assert status == 0 and str(prompt) in out[0]
    assert [f"{prompt}: 8000 Hz" in line for line in err] == ([True] if rate == 8000 else [])


@pytest.mark.parametrize(
    "text",
    [
        "The chemist grated the peanut, and the octopus walked.",
        "The old sailor bought three",
        "The old sailor bought a pineapple and a kitten.",
        "The old sailor bought three green boats, and then he sold them all again.",
    ],
    ids=["another", "words missing", "words replaced", "words added"],
)
def test_a_wrong_transcript_is_warned_of_or_refused(synth, folder, text):
    status, out, err = synth(f"--prompt={folder / 'slt.wav'}", f"--prompt-text={text}")
    assert len(err) == 1 and text in err[0] and str(folder / "slt.wav") in err[0]
    assert ("fits its transcript" in err[0] and out) if status == 0 else "does not fit its transcript" in err[0]


def test_the_right_transcript_is_not_warned_of(voice):
    with warnings.catch_warnings():
        warnings.simplefilter("error", PromptWarning)
        for name in ("slt", "awb", "kal16", "rms"):
            voice.prompt(speak(voice=name), SAID, 16000)


def test_a_prompt_of_half_a_minute_is_used_up_to_the_end_of_a_word(voice):
    wav = np.concatenate([speak() for _ in range(14)])
    assert len(wav) > 30 * 16000
    with pytest.warns(PromptWarning, match="are more than this model bears") as caught:
        made = voice.prompt(wav, " ".join([SAID] * 14), 16000)
    assert len(caught) == 1
    assert 0.6 * 200 < len(made.codes) <= 200
    assert made.durations.sum() == len(made.codes) and len(made.phones) == len(made.durations)
    text = voice.text(" ".join([SAID] * 14))
    assert text.word_of_phone[len(made.phones)] != made.word_of_phone[-1]
    assert voice.tokens.decode(made.phones) == text.phones[: len(made.phones)]


def test_a_text_of_300_words_is_spoken_in_parts_and_none_is_lost(voice):
    text = LONG
    assert len(text.split()) >= 300
    made = voice(text)
    assert len(made.chunks) > 5 and " ".join(made.chunks) == text
    whole = voice.text(text)
    assert made.words == whole.words
    assert len(made.phones) == len(made.durations) == len(made.word_of_phone)
    assert [made.words[w] for w in dict.fromkeys(made.word_of_phone[made.word_of_phone >= 0])] == whole.words
    assert made.durations.sum() == len(made.codes)
    assert len(made.wav) == pytest.approx(len(made.codes) / 50 * 16000, abs=320)
    for chunk in made.chunks:
        assert len(voice.text(chunk).phones) <= 400 / 4


def test_parts_are_kept_apart_by_the_silence_that_is_due(voice):
    made = voice(LONG)
    rate = made.frame_rate
    for chunk in made.chunks[:-1]:
        assert chunk.endswith(".")
    at_ends = []
    spoken = 0
    for chunk in made.chunks[:-1]:
        spoken += len(voice.text(chunk).phones)
        at_ends.append((made.durations[spoken - 1] + made.durations[spoken]) / rate)
    assert min(at_ends) >= 0.4 - 1 / rate


def test_the_same_part_is_not_said_alike_but_the_same_text_is(voice):
    once, again, other = voice("A boat."), voice("A boat.", seed=0.0), voice("A boat.", seed=1)
    assert np.array_equal(once.codes, again.codes) and once.chunks == ["A boat."]
    assert not np.array_equal(once.codes, other.codes)


def test_a_transcript_is_recognised_on_demand_and_shown(synth, folder, tmp_path):
    status, out, err = synth(f"--prompt={folder / 'slt.wav'}", "--prompt-text=auto")
    assert status == 0 and len(out) == 1
    assert "heard in" in err[0] and "THREE GREEN" in err[0] and "where that is wrong, give its words" in err[0]
    prompt = write_prompt(tmp_path / "silence.wav", SILENT)
    status, _, err = synth(f"--prompt={prompt}", "--prompt-text=auto")
    assert status == 1 and len(err) == 1 and "no words are recognised" in err[0]


def test_a_prompt_in_memory_is_what_the_file_is(voice, folder):
    """Samples of each kind, tensors, open files and names give the same speech."""
    wav, rate = soundfile.read(folder / "slt.wav", dtype="int16")
    floats = (wav / 32768).astype(np.float32)
    wanted = voice("A boat.", folder / "slt.wav", SAID).codes
    content = io.BytesIO((folder / "slt.wav").read_bytes())
    content.seek(0, 2)  # as it is after writing
    with open(folder / "slt.wav", "rb") as stream:
        given = [str(folder / "slt.wav"), stream, content]
        given += [wav, floats, wav.astype(np.int32) << 16, np.stack([wav, wav]), np.stack([floats, floats], 1)]
        given += [torch.from_numpy(wav), torch.from_numpy(floats)[None].requires_grad_(), floats.astype(np.float64)]
        for one in given:
            made = voice("A boat.", one, SAID, prompt_rate=rate)
            assert np.array_equal(made.codes, wanted) and made.remarks == [] and made.prompt is None
    heard = voice("A boat.", floats, "auto", prompt_rate=rate)
    assert 'heard in prompt: "' in heard.remarks[0] and "THREE GREEN" in heard.remarks[0]
    assert heard.remarks[0].split('"')[1] == voice.transcribe(wav, rate)


@pytest.mark.parametrize("where", ["front", "between", "behind", "everywhere"])
@pytest.mark.parametrize("noise", [0.0, 0.001])
def test_silence_in_a_prompt_does_not_push_its_words_out(voice, where, noise):
    """10 s of nothing, or of a quiet hiss, are more than the 4 s that this model bears; all words are kept."""
    wav, first, second = speak(), speak("The old sailor bought"), speak("three green boats.")
    quiet = (noise * np.random.default_rng(0).standard_normal(160000)).astype(np.float32)
    parts = {
        "front": [quiet, wav],
        "between": [first, quiet, second],
        "behind": [wav, quiet],
        "everywhere": [quiet, first, quiet, second, quiet],
    }[where]
    with warnings.catch_warnings():
        warnings.simplefilter("error", PromptWarning)
        made = voice.prompt(np.concatenate(parts), SAID, 16000)
    assert voice.tokens.decode(made.phones) == voice.text(SAID).phones
    assert made.durations.sum() == len(made.codes) <= 200
    silent = made.durations[made.word_of_phone < 0].sum() / 50
    assert silent < 1.5 and made.durations[made.word_of_phone >= 0].max() < 50


def test_a_silent_part_is_spoken_again_with_the_next_seeds(voice, synth, monkeypatch):
    from ellav.infer.pipeline import Pipeline

    plain = Pipeline.say

    def muted(self, readings, whole=False):
        speeches = plain(self, readings, whole)
        for i, reading in enumerate(readings):
            if ("A boat" in reading.request.id and reading.seed < 5) or "Sold" in reading.request.id:
                speeches[i] = replace(speeches[i], wav=0 * speeches[i].wav)
        return speeches

    monkeypatch.setattr(Pipeline, "say", muted)
    made = voice("A boat.", seed=3)
    assert made.seeds == [5] and np.abs(made.wav).max() > 0.005
    assert made.remarks == ["'A boat.' came out silent with seed 3; spoken with seed 5"]
    assert np.array_equal(made.wav, voice("A boat.", seed=5).wav)
    status, out, err = synth("--seed=3")
    assert status == 0 and len(out) == 1 and err == [f"ellav synth: {made.remarks[0]}"]
    lost = voice("Sold.", seed=3)
    assert lost.seeds == [7] and "silent with each seed from 3 to 7" in lost.remarks[0]
    assert voice("A horse.", seed=3).seeds == [3]
    assert voice("A boat.", seed=0, best_of=6).seeds == [5]
    made = voice("A boat.", seed=2, best_of=2)
    assert made.seeds == [5] and np.array_equal(made.wav, voice("A boat.", seed=5).wav)
    assert made.remarks == ["'A boat.' came out silent with each seed from 2 to 3; spoken with seed 5"]
    lost = voice("Sold.", seed=3, best_of=7)
    assert "silent with each seed from 3 to 9" in lost.remarks[0] and lost.seeds[0] in range(3, 10)


def test_a_phone_never_seen_falls_back_to_another_stress(voice, monkeypatch):
    assert "ER2" in voice.text("The network is down.").phones
    monkeypatch.delitem(voice.tokens.id, "ER2")
    made = voice("The network is down.")
    wanted = ["ER1" if phone == "ER2" else phone for phone in voice.text("The network is down.").phones]
    assert made.symbols == wanted
    monkeypatch.delitem(voice.tokens.id, "ER1")
    assert "ER0" in voice("The network is down.").symbols
    monkeypatch.delitem(voice.tokens.id, "ER0")
    with pytest.raises(UserError, match=r"word 'NETWORK' has the phone 'ER2', which is not in .* nor ER1 nor ER0"):
        voice("The network is down.")
    with pytest.raises(UserError, match=r"transcript 'The network\.': word 'NETWORK'"):
        voice("A boat.", speak(), "The network.", prompt_rate=16000)


def test_no_more_threads_than_a_quota_grants(monkeypatch):
    from ellav.bin.synth import limit_threads

    for given, cores, wanted in (
        (None, machine.Cores(64, 64, 2.5), "2"),
        (None, machine.Cores(64, 8, None), None),
        ("3", machine.Cores(64, 64, 2.5), "3"),
    ):
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
        if given:
            monkeypatch.setenv("OMP_NUM_THREADS", given)
        limit_threads(cores)
        assert os.environ.get("OMP_NUM_THREADS") == wanted
        monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.undo()


def test_nothing_heavy_is_imported_before_it_is_needed():
    import subprocess

    code = (
        "import sys; from ellav.bin.main import main; import ellav.bin.synth, ellav;"
        "print([m for m in ('torch', 'nltk', 'g2p_en', 'pocketsphinx', 'numpy', 'scipy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown == "[]\n"
