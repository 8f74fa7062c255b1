"""What changed under a recipe, a full disk, no home: one line, the stage to rerun, and nothing lost."""

import os
import shutil
import subprocess
import sys

import pytest
import small

from ellav.bin.main import main
from ellav.testing.repeat import checksums

PLACES = {
    "tokens": "--sets train valid test_unseen --raw dump/raw --align dump/align "
    "--codes dump/codes --codec exp/codec --out dump/tokens --max-rejected 0.5",
    "train": "--config tiny.yaml --train dump/tokens/train --valid dump/tokens/valid --tokens dump/tokens/list "
    "--codec exp/codec",
    "decode": "--ar exp/interleaved/ar --nar exp/interleaved/nar --codec exp/codec --data dump/tokens/test_unseen "
    "--tokens dump/tokens/list --raw dump/raw/test_unseen --batch 1 --out exp/interleaved/decode/test_unseen",
    "pack": "--ar exp/interleaved/ar --nar exp/interleaved/nar --codec exp/codec --tokens dump/tokens/list "
    "--out exp/interleaved/packed",
    "fit-codec": "--data dump/raw/train --out exp/codec --codec_conf codebooks=2 size=64",
    "score": "--exp exp/interleaved --sets test_unseen",
}


@pytest.fixture
def root(whole, tmp_path, monkeypatch):
    """A copy of the whole recipe, and it is where commands run."""
    shutil.copytree(whole.root, tmp_path / "copy", symlinks=True)
    monkeypatch.chdir(tmp_path / "copy")
    return tmp_path / "copy"


def call(command, *more):
    return main([command, *more, *PLACES[command].split()])


def encode(root, *sets):
    for name in sets:
        places = ["--data", f"dump/raw/{name}", "--codec", "exp/codec", "--out", f"dump/codes/{name}"]
        assert main(["encode", *places]) == 0


def refused(capsys, *command):
    """The one line with which a command ends."""
    capsys.readouterr()
    assert call(*command) == 1
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1, error
    return error[0]


def test_a_codec_fitted_anew_asks_for_its_stages_one_after_the_other(root, capsys):
    weights = (root / "exp/interleaved/ar/averaged.safetensors").read_bytes()
    assert call("fit-codec", "--seed", "1") == 0
    assert "made from an older exp/codec; rerun stage 4 (codes)" in refused(capsys, "tokens")
    for command in ("decode", "train"):
        more = ["ar", "--out", "exp/interleaved/ar"] if command == "train" else []
        assert "rerun stage 4 (codes)" in refused(capsys, command, *more)
    encode(root, "train", "valid", "test_unseen")
    assert "rerun stage 5 (tokens)" in refused(capsys, "decode")
    assert call("tokens") == 0
    assert "began with another codec (stage 4 has made it anew); go back" in refused(
        capsys, "train", "nar", "--out", "exp/interleaved/nar"
    )
    for command in ("decode", "pack"):
        error = refused(capsys, command)
        assert "trained with another" in error and "rerun stage 6 (train AR)" in error
    assert (root / "exp/interleaved/ar/averaged.safetensors").read_bytes() == weights


def test_another_token_list_under_trained_models(root, capsys):
    assert call("tokens", "--train_set", "valid") == 0
    assert "began with another" in refused(capsys, "train", "ar", "--out", "exp/interleaved/ar")
    assert "trained with another token list; rerun stage 6 (train AR)" in refused(capsys, "decode")
    assert "rerun stage 6 (train AR)" in refused(capsys, "pack")


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--ordering", "concat"], "ordering interleaved, not concat"),
        (["--ordering_conf", "local_advance=2"], "local_advance=4 (not 2) of ordering interleaved"),
        (["--model_conf", "width=64"], "width=32 (not 64)"),
        (["--train_conf", "lr=0.5"], "lr=0.002 (not 0.5)"),
    ],
)
def test_a_resumed_training_keeps_its_options(root, capsys, options, what):
    before = checksums(root)
    assert f"began with {what}; go back" in refused(capsys, "train", "ar", "--out", "exp/interleaved/ar", *options)
    assert checksums(root) == before


def test_an_ordering_edited_between_training_and_resuming(root, capsys):
    plugin = root / "edited.py"
    plugin.write_text(
        "from ellav.plugins.orderings import orderings\n"
        "from ellav.plugins.orderings.concat import Concat\n"
        "@orderings.register('edited')\n"
        "class Mine(Concat):\n"
        "    'The same.'\n"
    )
    command = ["train", "ar", "--out", "exp/edited/ar", "--ordering", "edited", "--plugin", str(plugin)]
    assert call(*command, "--train_conf", "max_steps=2") == 0
    plugin.write_text(plugin.read_text() + "    lookahead = 1\n")
    what = "other code of ordering edited than is there now"
    assert f"began with {what}; go back to what it was, or rerun stage 6" in refused(capsys, *command)


def test_never_resumed_means_that_nothing_of_before_comes_back(root):
    """Also if the new run is lost before its first checkpoint."""
    out = root / "exp/interleaved/ar"
    assert call("train", "ar", "--out", str(out), "--resume", "never", "--train_conf", "max_minutes=0") == 0
    assert not (out / "state.pt").exists()


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_torn_weights_are_named_and_made_again(whole, root, capsys, kind):
    name = f"exp/interleaved/{kind}/averaged.safetensors"
    os.truncate(root / name, 1000)
    error = refused(capsys, "pack", "--which", "averaged")
    assert f"{name}: damaged" in error and "rerun stage 6 or 7 (train)" in error
    assert call("train", kind, "--out", f"exp/interleaved/{kind}") == 0
    assert (root / name).read_bytes() == (whole.root / name).read_bytes()


@pytest.mark.parametrize(("stage", "blocks"), [(2, 16), (4, 40), (4, 9), (6, 30), (8, 16), (10, 30)])
def test_a_full_disk_is_one_line_and_what_is_complete_is_kept(whole, copy, stage, blocks):
    """Here: no file may grow beyond so many KiB."""
    root = copy(stage)
    if blocks == 9:  # small enough for the codes, too small for the codec that makes them
        shutil.copytree(whole.root / "exp/codec", root / "exp/codec")
    process = small.start(root, stage, limit=blocks)
    assert process.wait(timeout=120) == 1
    said = small.said(root)
    lines = [line for line in said.splitlines() if "could not be written: file too large; make room" in line]
    assert len(lines) == 1 and lines[0].split(": ")[1].startswith(("exp/", "dump/", "data/")), said
    assert "Traceback" not in said
    small.run(root, stage)
    assert checksums(root) == checksums(whole.root)


def test_a_packed_model_speaks_without_a_home(whole, tmp_path):
    (tmp_path / "home").write_text("no folder")
    text = (whole.root / "data/test_unseen/text").read_text().splitlines()[0].split(" ", 1)
    prompt = whole.root / f"dump/raw/test_unseen/wav/{text[0]}.flac"
    out = tmp_path / "out.wav"
    synth = [sys.executable, "-m", "ellav.bin.main", "synth", "--text", "Hello.", "--out", out, "--prompt", prompt]
    command = [*synth, "--prompt-text", text[1], "--model", whole.root / "exp/interleaved/packed"]
    done = subprocess.run(command, env={**os.environ, "HOME": str(tmp_path / "home")}, capture_output=True, text=True)
    assert done.returncode == 0 and out.stat().st_size > 44, done.stderr


def test_a_half_trained_model_is_decoded_with_a_warning(root, capsys):
    (root / "exp/interleaved/nar/summary.json").unlink()
    shutil.rmtree(root / "exp/interleaved/decode/test_unseen")
    assert call("decode", "--limit", "1", "--measure", "false") == 0
    assert "exp/interleaved/nar: its training did not come to its end; decoding" in capsys.readouterr().err
