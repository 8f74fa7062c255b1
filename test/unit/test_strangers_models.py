"""Packed models that a stranger may have made: what is refused, each in one line, and what loads all the same."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from bundles import packed_of_files
from safetensors.torch import load_file, save_file

from ellav import Synthesizer
from ellav.bin.main import main
from ellav.config import read_yaml, yaml_text
from ellav.errors import LONGEST, UserError
from ellav.infer.packing import Recording, choose
from ellav.models.options import ModelOptions
from ellav.models.trained import build_model, load_trained
from ellav.plugins.text import text
from ellav.score.card import _prompts
from ellav.train.checkpoint import describe_model, save_config, save_weights


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return packed_of_files(tmp_path_factory.mktemp("whole") / "lexicon", "lexicon")


@pytest.fixture
def model(whole, tmp_path):
    """A copy to damage."""
    return Path(shutil.copytree(whole, tmp_path / "model"))


@pytest.fixture(autouse=True)
def in_time():
    """Nothing here may hang."""
    signal.alarm(100)
    yield
    signal.alarm(0)


def refused(folder, speak=True) -> str:
    """The one line with which a model is refused."""
    with warnings.catch_warnings(), pytest.raises(UserError) as caught:
        warnings.simplefilter("ignore")
        voice = Synthesizer(folder, device="cpu")
        if speak:
            voice("The boat.")
    said = str(caught.value)
    assert "\n" not in said and "\x1b" not in said
    return said


def change(path, **values):
    """Values of a YAML file; a name with `__` leads into a mapping."""
    content = yaml.safe_load(path.read_text())
    for name, value in values.items():
        *way, last = name.split("__")
        place = content
        for step in way:
            place = place[step]
        place[last] = value
    path.write_text(yaml_text(content))


# YAML


def test_a_few_lines_that_stand_for_gigabytes_are_refused_at_once(model):
    names = "abcdefghi"
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{n}: &{n} [{', '.join([f'*{names[i]}'] * 9)}]" for i, n in enumerate(names[1:])]
    (model / "model.yaml").write_text("\n".join(lines) + "\n" + (model / "model.yaml").read_text())
    began = time.process_time()
    assert "model.yaml: not readable as YAML: line 2: an alias (*a); write what it stands for in full" in refused(model)
    assert time.process_time() - began < 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: " + "[" * 100_000, "line 1: nested deeper than 30 levels"),
        ("a: [" + "1, " * 300_000 + "1]", "line 1: more than 50000 values"),
        ("a: " + "x" * 1_000_000, "larger than 1 MB"),
        ("a: 1\nb: 2\na: 3\n", "line 3: 'a' stands there twice"),
        ("a: {b: 1, b: 2}\n", "line 1: 'b' stands there twice"),
        ("a: !!python/object/apply:os.system [true]\n", "only plain types are read"),
        ("a: !!binary aGFsbG8=\n", "only plain types are read"),
        ("a: 2026-99-99\n", "month must be in 1..12"),
        ("a: " + "9" * 5000, "Exceeds the limit"),
        ("a: 1\n---\nb: 2\n", "line 2: but found another document"),
    ],
)
def test_what_no_configuration_of_ours_has_is_refused_in_one_line(tmp_path, content, said):
    path = tmp_path / "c.yaml"
    path.write_text(content)
    with pytest.raises(UserError) as caught:
        read_yaml(path)
    assert str(caught.value).startswith(f"{path}: ") and said in str(caught.value)


def test_what_we_write_is_what_we_read_although_parts_of_it_are_shared(tmp_path):
    shared = {"size": 3, "names": ["é", "1e3", "no"]}
    content = {"one": shared, "two": shared, "three": [shared["names"]] * 2}
    (tmp_path / "c.yaml").write_text(yaml_text(content))
    assert read_yaml(tmp_path / "c.yaml") == content


# Sizes and weights


def test_a_size_that_the_weights_do_not_have_takes_no_memory(model):
    # With memory this would be terabytes.
    change(model / "ar/config.yaml", model__layers=200, model__width=32_768, model__heads=64, model__ffn=262_144)
    assert "ar/averaged.safetensors: does not fit what is beside it: table should be (" in refused(model)


@pytest.mark.parametrize(
    ("file", "change_of", "said"),
    [
        ("ar/config.yaml", {"model__layers": 10**9}, "ar/config.yaml: model_conf: layers must be 1 to 256, not"),
        ("ar/config.yaml", {"model__heads": 3}, "model_conf: width 16 must be 3 heads times an even number"),
        ("nar/config.yaml", {"model__width": -16}, "width must be 1 to"),
        ("ar/config.yaml", {"stats__codebook_size": 10**12}, "codebook_size should be a whole number from 1 to 32768"),
        ("ar/config.yaml", {"stats__frame_rate": float("nan")}, "frame_rate should be a number from 1 to 10000"),
        ("ar/config.yaml", {"train": {"max_frames": 10**15}}, "max_frames should be 0 to"),
        ("nar/config.yaml", {"train": {"prompt_most": "long"}}, "prompt_least and prompt_most should be seconds"),
        ("nar/config.yaml", {"train": {"prompt_least": 4.0}}, "prompt_least and prompt_most should be seconds"),
        ("ar/config.yaml", {"ordering__conf": {"local_advance": 10**30}}, "local_advance"),
        ("list/stats.yaml", {"most_phone": 10**9}, "stats.yaml: most_phone should be a whole number from 1 to 3000"),
        ("list/stats.yaml", {"frames_per_phone": 0}, "frames_per_phone should be a number from 0.001"),
        ("list/stats.yaml", {"frame_rate": 75.0}, "trained on codes with frame_rate"),
        ("codec/codec.yaml", {"conf__sample_rate": 0}, "sample_rate=0 is not between"),
        ("codec/codec.yaml", {"conf__window_ms": float("nan")}, "window_ms=nan is not between"),
        ("codec/codec.yaml", {"conf": [1]}, "codec.yaml: conf should be `name: value` lines"),
        ("model.yaml", {"decoder__conf": {"top_p": float("nan")}}, "top_p must lie between 0 and 1"),
        ("model.yaml", {"decoder__name": ["nucleus"]}, "decoder: should be the name and the conf of a plugin"),
        ("model.yaml", {"decoder": {"name": "ras", "conf": {"window": 10**12}}}, "window must be 1 to 10000"),
        ("model.yaml", {"decoder__conf": {"temperature": 1e-320}}, "temperature must be positive"),
        ("model.yaml", {"decoder__conf": {"temperature": 10**400}}, "option 'temperature' must be float"),
    ],
)  # fmt: skip
def test_numbers_beyond_all_sense_are_named(model, file, change_of, said):
    change(model / file, **change_of)
    assert said in refused(model)


def test_a_codec_that_makes_other_codes_than_the_models_know_is_refused(model):
    for file in ("codec/codec.yaml", "ar/config.yaml", "nar/config.yaml"):
        part = "" if file.startswith("codec") else "codec__"
        change(model / file, **{f"{part}conf": {**read_yaml(model / "codec/codec.yaml")["conf"], "frame_rate": 25.0}})
    assert "codec: its frame_rate is 25.0, that of list/stats.yaml 50.0" in refused(model)


def test_weights_that_are_not_numbers_or_of_another_type_are_named(model):
    path = model / "ar/averaged.safetensors"
    weights = load_file(path)
    name = "transformer.blocks.0.up.weight"
    for odd, said in (
        (weights[name].index_fill(0, torch.tensor([2]), float("nan")), "holds values that are not numbers"),
        (weights[name].to(torch.int64), f"{name} should be (16, 16) F32 or F16 or BF16 or I8, found (16, 16) I64"),
        (weights[name][:3], f"{name} should be (16, 16) F32 or F16 or BF16 or I8, found (3, 16) F32"),
    ):
        save_file({**weights, name: odd.contiguous()}, path)
        assert said in refused(model)
    rounded = {**weights, name: weights[name].to(torch.int8)}
    norm = "transformer.norm.weight"
    for added in ({}, {f"{name}.scale": torch.ones(15)}, {f"{name}.scale": torch.ones(16, dtype=torch.int8)}):
        save_file({**rounded, **added}, path)
        assert f"{name} has 8 bits and no scales of them" in refused(model)
    save_file({**rounded, f"{name}.scale": torch.full((16,), float("inf"))}, path)
    assert "holds values that are not numbers" in refused(model)
    save_file({**weights, norm: weights[norm].to(torch.int8), f"{norm}.scale": torch.ones(())}, path)
    assert f"{norm} has 8 bits and no scales of them" in refused(model)
    save_file({**weights, f"{name}.scale": torch.ones(16)}, path)
    assert f"nothing there needs '{name}.scale'" in refused(model)
    save_file({**weights, "more": torch.zeros(3)}, path)
    assert "nothing there needs 'more'" in refused(model)
    path.write_bytes((2**40).to_bytes(8, "little") + b"{}")
    assert "averaged.safetensors: damaged (a header of 1099511627776 bytes)" in refused(model)


@pytest.mark.parametrize("positions", ["rotary", "sinusoidal"])
@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_a_model_built_without_memory_is_the_one_that_was_saved(tmp_path, kind, positions):
    stats = dict.fromkeys(("most_phone", "most_silence", "mean_frames", "frames_per_phone", "max_frames"), 9)
    stats |= {"frame_rate": 50.0, "codebooks": 3, "codebook_size": 8}
    options = ModelOptions(layers=2, width=16, heads=2, ffn=24, positions=positions)
    config = describe_model(kind, options, "interleaved", {}, ["sp", "a"], stats, {})
    made, _ = build_model(config)
    save_config(config, tmp_path)
    weights = made.state_dict()
    save_weights({name: weight.bfloat16() for name, weight in weights.items()}, tmp_path / "averaged.safetensors")
    read = load_trained(tmp_path).model
    assert not read.training and all(p.requires_grad for p in read.parameters())
    for name, weight in read.state_dict().items():
        assert weight.dtype == torch.float32 and torch.equal(weight, weights[name].bfloat16().float())
    for (name, buffer), (other, wanted) in zip(read.named_buffers(), made.named_buffers(), strict=True):
        assert name == other and buffer.device.type == "cpu" and torch.equal(buffer, wanted)
    made.load_state_dict(read.state_dict())
    given = {"ar": ([[1], [2]], [0, 1], [2]), "nar": ([[1] * 5, [2] * 5], [0, 1], [2], 0)}[kind]
    ids, where, *rest = (torch.tensor(one) if i != 2 else one for i, one in enumerate(given))
    assert torch.equal(made.eval()(ids, where, *rest), read(ids, where, *rest))


def test_loading_a_model_does_not_load_torchs_compiler(whole):
    code = (
        "import sys, ellav.infer.synthesizer; from ellav import Synthesizer; had = set(sys.modules);"
        f"Synthesizer({str(whole)!r}, device='cpu');"
        "print(sorted(m for m in set(sys.modules) - had if m.startswith(('sympy', 'torch._inductor', 'torch._refs'))))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


# Files and names


@pytest.mark.parametrize("number", [2, 0, "1", True, None, "x\x1b" * 100])
def test_a_format_of_another_ellav_is_told(model, number):
    path = model / "model.yaml"
    assert read_yaml(path)["format"] == 1
    path.write_text(path.read_text().replace("format: 1\n", f"format: {json.dumps(number)}\n"))
    assert "this ellav (" in refused(model, speak=False)


def test_a_model_from_before_formats_had_numbers_loads(model):
    path = model / "model.yaml"
    path.write_text(path.read_text().replace("format: 1\n", ""))
    assert len(Synthesizer(model)("The boat.").wav)


@pytest.mark.parametrize("which", ["../ar/averaged", "/etc/passwd", "..", "", 3, ["averaged"], "\x1b[2J"])
def test_which_names_weights_in_the_folder(model, which):
    change(model / "model.yaml", which=which)
    assert "model.yaml: which should name the weights" in refused(model)


@pytest.mark.parametrize("file", ["model.yaml", "list/tokens.txt", "prompts/voice.flac", "ar/averaged.safetensors"])
def test_a_link_out_of_the_folder_and_what_is_no_file_are_refused_and_nothing_hangs(model, tmp_path, file):
    path = model / file
    (tmp_path / "outside").write_bytes(path.read_bytes())
    for target in (tmp_path / "outside", "/dev/zero", path, "nowhere"):
        path.unlink()
        path.symlink_to(target)
        said = refused(model)
        # (What leads nowhere is not there, for the first file that is looked for.)
        assert f"{path}: a link that leads out of the model's folder" in said or "not a packed model" in said
    path.unlink()
    os.mkfifo(path)
    assert f"{path}: neither a file nor a folder" in refused(model)


def test_a_link_inside_the_folder_and_to_the_folder_is_followed(model, tmp_path):
    (model / "ar/averaged.safetensors").rename(model / "weights")
    (model / "ar/averaged.safetensors").symlink_to("../weights")
    (tmp_path / "link").symlink_to(model)
    assert len(Synthesizer(tmp_path / "link", device="cpu")("The boat.").wav)


def test_an_aligner_that_runs_a_program_is_refused_and_nothing_runs(model, tmp_path):
    ran = tmp_path / "ran"
    conf = {"model": "x", "command": f"touch {ran}"}
    change(model / "model.yaml", aligner={"name": "mfa", "conf": conf})
    said = refused(model)
    assert "aligner mfa runs a program or reads files" in said and "in process only" in said
    change(model / "model.yaml", aligner={"name": "textgrid", "conf": {"folder": "."}})
    assert "aligner textgrid runs a program or reads files" in refused(model)
    assert not ran.exists()


def test_a_record_makes_nothing_be_imported(model):
    for file, record in (("model.yaml", "decoder__record"), ("ar/config.yaml", "ordering__record")):
        before = (model / file).read_bytes()
        change(model / file, **{record: {"name": "topk", "module": "x", "sha256": "0"}})
        assert "its record is not that of" in refused(model)
        (model / file).write_bytes(before)
    change(model / "codec/codec.yaml", plugin={"name": "encodec", "module": "x", "sha256": "0"})
    assert "its record of codecs is not that of 'rvq_mel'" in refused(model)


def test_options_that_lead_to_other_files_or_programs_are_refused(model):
    change(model / "model.yaml", text__conf__fallback="lexicon", text__conf__fallback_conf={"lexicon": "/etc/passwd"})
    assert "lexicon cannot be the fallback: it has a file of its own" in refused(model)
    (model / "text/lexicon.txt").write_bytes(b"")
    os.truncate(model / "text/lexicon.txt", 10**12)  # of which nothing is on the disk
    change(model / "model.yaml", text__conf__fallback=None, text__conf__fallback_conf=None)
    assert "lexicon.txt: larger than 100 MB" in refused(model)
    for language in ("../../etc/passwd", "/etc/passwd", "mb-us1", "mb/mb-us1", "de\0"):
        with pytest.raises(UserError, match="is no language"):
            text.create("espeak", {"language": language})


# Prompts, texts and what is shown of them


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ({"text": "a\x1b[2Jb"}, "prompt 'voice': its text has the control character '\\x1b'"),
        ({"text": "a\u202eb"}, "control character '\\u202e'"),
        ({"text": "a\nb"}, "must be one plain line"),
        ({"text": "a" * 3000}, "its text should be 1 to 2000 characters"),
        ({"text": ["a"]}, "its text should be 1 to 2000 characters"),
        ({"name": "\x1b[2J"}, "a name has letters"),
        ({"name": "a" * 101}, "a name has letters"),
        ({"name": "<script>"}, "a name has letters"),
    ],
)
def test_names_and_texts_that_would_steer_a_terminal_are_refused(model, capsys, prompt, said):
    listed = [{"name": "voice", "text": "The old boat."}]
    change(model / "model.yaml", prompts=[listed[0] | prompt])
    assert said in refused(model)
    assert main(["synth", f"--model={model}", "--list-prompts"]) == 1
    shown = capsys.readouterr()
    assert not shown.out and "\x1b" not in shown.err and len(shown.err.splitlines()) == 1
    change(model / "model.yaml", prompts=2 * listed)
    assert "prompt 'voice' stands there twice" in refused(model)


def test_a_message_is_one_printable_line_whatever_is_in_it():
    assert str(UserError("a\x1b[31m\nb\u202e\ud800 é")) == "a\\x1b[31m\\nb\\u202e\\ud800 é"
    assert len(str(UserError("x" * 10**6))) < LONGEST + 10


def test_what_a_packed_model_may_not_hold_is_not_packed(tmp_path):
    with pytest.raises(UserError, match="no good prompt: prompt 'a': its text has the control character"):
        choose([Recording("a", tmp_path / "a.wav", "x\x1b")], lambda *_: None, tmp_path)


def test_a_prompt_is_no_longer_than_a_minute_whatever_it_says_of_itself(model):
    path = model / "prompts/voice.flac"
    before = path.read_bytes()
    soundfile.write(path, np.zeros(16000 * 3600, np.int16), 16000)  # an hour of silence, in half a megabyte
    assert "voice.flac: 3600.0 s of 1 channels" in refused(model)
    # The number of samples: 36 bits from the 22nd byte on.
    path.write_bytes(before[:21] + bytes([before[21] | 0x0F]) + b"\xff" * 4 + before[26:])
    assert "voice.flac" in refused(model)
    path.write_bytes(before[: len(before) // 2])
    assert "voice.flac" in refused(model)
    path.write_bytes(b"fLaC" + bytes(100))
    assert main(["synth", f"--model={model}", "--list-prompts"]) == 1


def test_the_card_shows_a_text_as_it_is_written():
    shown = _prompts([Recording("a", Path("a"), "<script>x</script> | ![p](http://x) `b` *c*", True, 1.0)])
    row = shown.splitlines()[-1]
    assert "&lt;script>x&lt;/script> \\| !\\[p\\](http://x) \\`b\\` \\*c\\*" in row.replace("&gt;", ">")


# Damage at random


@pytest.mark.parametrize(("kind", "seed"), [("lexicon", 1), ("sentencepiece", 2)])
def test_a_thousand_damaged_models_end_in_a_result_or_one_line(tmp_path, kind, seed):
    folder = packed_of_files(tmp_path / kind, kind)
    program = str(Path(__file__).with_name("mutated_bundles.py"))
    done = subprocess.run(
        [sys.executable, program, str(folder), "1000", str(seed), "8"],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, f"ended by {done.returncode}: {done.stderr[-2000:]}"
    made = json.loads(done.stdout)
    faults = [how for ended in made["ended"].values() for how in ended if how.startswith("FAULT")]
    assert not faults, "\n".join(faults[:20])
    assert sum(sum(ended.values()) for ended in made["ended"].values()) == 1000
    assert all(ended.get("refused", 0) for ended in made["ended"].values())
    assert sum(ended.get("ok", 0) for ended in made["ended"].values()) > 50
    print(json.dumps(made["ended"]), made["slowest"])
