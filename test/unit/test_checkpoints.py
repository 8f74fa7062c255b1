"""Checkpoints that are torn, foreign or cannot be written, and runs that are stopped."""

import json
import os
import resource
import signal
from contextlib import contextmanager

import pytest
import torch
from test_training import described, losses, objective_of, trainer

from ellav.bin.run_command import run_command
from ellav.bin.train import _same
from ellav.data.dataset import STATISTICS, Tokens
from ellav.errors import UserError
from ellav.models.trained import load_pair, load_trained
from ellav.train import checkpoint


def save(folder, config):
    """An untrained model's folder."""
    folder.mkdir()
    checkpoint.save_config(config, folder)
    checkpoint.save_weights(objective_of(config).model.state_dict(), folder / "averaged.safetensors")
    return folder


@contextmanager
def largest_file(size):
    """Files may not grow beyond `size` bytes, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def stopping(one, step, number):
    """Send a signal before the given step of a trainer."""
    before = one._train_step

    def signalled(*given):
        if one.step == step:
            os.kill(os.getpid(), number)
        return before(*given)

    one._train_step = signalled


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_the_exit_status_tells(tmp_path, capsys, number):
    trainer(tmp_path / "whole").run()
    one = trainer(tmp_path / "stopped")
    stopping(one, 4, number)
    with pytest.raises(SystemExit) as stopped:
        run_command("ellav train", one.run)
    assert stopped.value.code == 128 + number
    saved = checkpoint.load_state(tmp_path / "stopped")["step"]
    assert 4 < saved < 8 and f"stopped by signal at step {saved}; the same command goes on" in capsys.readouterr().out
    trainer(tmp_path / "stopped").run()
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")


def test_a_second_interrupt_does_not_wait(tmp_path):
    one = trainer(tmp_path)
    step = one._train_step

    def twice(*given):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        return step(*given)

    one._train_step = twice
    assert run_command("ellav train", one.run) == 130


@pytest.mark.parametrize("file", ["last.safetensors", "averaged.safetensors", "state.pt"])
def test_a_full_disk_names_the_file_and_keeps_the_last_checkpoint(tmp_path, capsys, monkeypatch, file):
    whole = trainer(tmp_path / "whole")
    whole.run()
    one, save_weights, save_state = trainer(tmp_path / "full"), checkpoint.save_weights, checkpoint.save_state

    def limited(writer, name):
        def saving(content, path):
            if one.step > 3 and file == (path / "state.pt" if path.is_dir() else path).name:
                with largest_file(4096):
                    return writer(content, path)
            return writer(content, path)

        return saving

    monkeypatch.setattr(checkpoint, "save_weights", limited(save_weights, None))
    monkeypatch.setattr(checkpoint, "save_state", limited(save_state, "state.pt"))
    assert run_command("ellav train", one.run) == 1
    error = capsys.readouterr().err
    assert f"full/{file}: could not be written: file too large; make room" in error and error.count("\n") == 1
    assert checkpoint.load_state(tmp_path / "full")["step"] == 3
    assert load_trained(tmp_path / "full", "last") and not list((tmp_path / "full").glob("*.tmp"))
    monkeypatch.undo()
    trainer(tmp_path / "full").run()
    assert losses(tmp_path / "full") == losses(tmp_path / "whole")


@pytest.mark.filterwarnings("error")
def test_a_log_that_cannot_grow_is_one_line(tmp_path, capsys):
    one = trainer(tmp_path)
    step = one._train_step

    def full(*given):
        resource.setrlimit(resource.RLIMIT_FSIZE, (256, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return step(*given)

    one._train_step = full
    with largest_file(-1):
        assert run_command("ellav train", one.run) == 1
    error = capsys.readouterr().err
    assert "could not be written: file too large" in error and error.count("\n") == 1


def test_a_torn_state_is_named(tmp_path):
    trainer(tmp_path).run()
    content = (tmp_path / "state.pt").read_bytes()
    (tmp_path / "state.pt").write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=r"state\.pt: not readable .*; remove it to start anew"):
        trainer(tmp_path).run()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: os.truncate(path, 3000)])
def test_weights_of_a_finished_training_are_restored_from_its_state(tmp_path, damage):
    """Also a kill between the last state and summary.json."""
    summary = trainer(tmp_path).run()
    before = {name: (tmp_path / name).read_bytes() for name in ("last.safetensors", "averaged.safetensors")}
    for name in before:
        damage(tmp_path / name)
    with pytest.raises(UserError, match="run stage 6 or 7"):
        load_trained(tmp_path, "averaged")
    (tmp_path / "summary.json").unlink()
    trainer(tmp_path).run()
    assert before == {name: (tmp_path / name).read_bytes() for name in before}
    assert json.loads((tmp_path / "summary.json").read_text())["valid"] == summary["valid"]


def test_lost_best_weights_are_done_without(tmp_path, capsys):
    """They are in no state; the next best are taken instead."""
    one = trainer(tmp_path)
    assert "best" in one.run()["valid"]
    os.truncate(tmp_path / "best.safetensors", 100)
    assert "best" not in trainer(tmp_path).run()["valid"]
    assert "best.safetensors: lost" in capsys.readouterr().out
    assert "best" not in json.loads((tmp_path / "summary.json").read_text())["valid"]
    assert load_trained(tmp_path)


def test_a_state_of_an_older_version_is_one_line(tmp_path):
    trainer(tmp_path).run()
    state = checkpoint.load_state(tmp_path)
    del state["places"]
    checkpoint.save_state(state, tmp_path)
    with pytest.raises(UserError, match=r"state\.pt: written by an older version of ellav; begin anew"):
        trainer(tmp_path).run()


def test_nan_keeps_the_last_good_checkpoint(tmp_path, capsys):
    trainer(tmp_path / "whole").run()
    one = trainer(tmp_path / "nan")
    step = one._train_step

    def poisoned(*given):
        if one.step == 5:
            with torch.no_grad():
                one.objective.model.table[0] = float("nan")
        return step(*given)

    one._train_step = poisoned
    assert run_command("ellav train", one.run) == 1
    error = capsys.readouterr().err
    assert "step 6: loss is nan; the batch held u" in error and "go on from the last checkpoint" in error
    state = checkpoint.load_state(tmp_path / "nan")
    assert state["step"] == 3 and all(value.isfinite().all() for value in state["model"].values())
    trainer(tmp_path / "nan").run()
    assert losses(tmp_path / "nan") == losses(tmp_path / "whole")


def test_another_dtype_can_be_taken_on_resume(tmp_path):
    """As the message about NaN advises."""
    with pytest.raises(SystemExit):
        one = trainer(tmp_path, dtype="bfloat16")
        stopping(one, 2, signal.SIGTERM)
        one.run()
    assert trainer(tmp_path, dtype="float32").run()["dtype"] == "float32"


def test_a_measured_dtype_outlives_a_kill_before_the_first_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr("ellav.train.trainer.choose_dtype", lambda *_: ("bfloat16", {"bfloat16": 2.0, "float32": 1.0}))
    one = trainer(tmp_path, dtype="auto")
    stopping(one, 1, signal.SIGINT)
    one._save = lambda: None
    with pytest.raises(SystemExit):
        one.run()
    monkeypatch.setattr("ellav.train.trainer.choose_dtype", lambda *_: ("float32", {}))
    assert trainer(tmp_path, dtype="auto").run()["dtype"] == "bfloat16"
    assert trainer(tmp_path / "other", dtype="auto").run()["dtype"] == "float32"


def test_models_that_do_not_go_together_are_refused(tmp_path):
    concat = save(tmp_path / "concat", described("ar", "concat"))
    interleaved = save(tmp_path / "interleaved", described("ar"))
    nar = save(tmp_path / "nar", described("nar", text="aligned"))
    assert load_pair(interleaved, nar)[1].config["kind"] == "nar"
    with pytest.raises(UserError, match="nar: holds a model of kind nar, not ar"):
        load_pair(nar, interleaved)
    with pytest.raises(UserError, match=r"needs the durations of phones, which ordering concat .* rerun stage 7"):
        load_pair(concat, nar)


def test_a_checkpoint_of_another_codec_or_token_list_is_refused(tmp_path):
    config = described()
    config["stats"] |= {name: 1 for name in STATISTICS if name not in config["stats"]}
    config |= {"codec": {"fingerprint": "abc", "name": "a", "conf": {"size": 12}}, "inputs": {"list": "def"}}
    trained = load_trained(save(tmp_path / "ar", config))
    stats, phones = config["stats"], config["phones"]
    for name in ("list", "codec"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "done.json").write_text(json.dumps({"key": {"list": "def", "codec": "abc"}[name]}))
    folders = (tmp_path / "list", tmp_path / "codec")
    (tmp_path / "codec/codec.yaml").write_text("name: a\nconf: {size: 12}\n")
    trained.check_fits(Tokens(phones, stats), "ar", *folders)
    with pytest.raises(UserError, match=r"ar: trained with another token list; rerun stage 6 \(train AR\)"):
        trained.check_fits(Tokens(phones[::-1], stats), "ar")
    with pytest.raises(UserError, match=r"ar: trained on codes with codebooks 3, these have 4; rerun stage 6"):
        trained.check_fits(Tokens(phones, {**stats, "codebooks": 4}), "ar")
    for name, what in (("list", "token list"), ("codec", "codec")):
        (tmp_path / name / "done.json").write_text('{"key": "new"}')
        with pytest.raises(UserError, match=f"ar: trained with another {what} than .*{name} is now; rerun stage 6"):
            trained.check_fits(Tokens(phones, stats), "ar", *folders)
        (tmp_path / name / "done.json").unlink()
    (tmp_path / "codec/codec.yaml").write_text("name: a\nconf: {size: 13}\n")
    with pytest.raises(UserError, match=r"ar: trained on codes of another codec than .*codec; rerun stage 6"):
        trained.check_fits(Tokens(phones, stats), "ar", codec=tmp_path / "codec")
    speaks = "name: istft\nconf: {}\ncodes_of: {name: a, conf: {size: 12}, fingerprint: %s}\n"  # codes of `a`
    (tmp_path / "codec/codec.yaml").write_text(speaks % "abc")
    trained.check_fits(Tokens(phones, stats), "ar", codec=tmp_path / "codec")
    (tmp_path / "codec/codec.yaml").write_text(speaks % "new")
    with pytest.raises(UserError, match=r"ar: trained with another codec than .*codec is now; rerun stage 6"):
        trained.check_fits(Tokens(phones, stats), "ar", codec=tmp_path / "codec")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"model": {"width": 9}}, r"width=8 \(not 9\)"),
        ({"ordering": {"name": "y", "conf": {}}}, "ordering x, not y;"),
        ({"ordering": {"name": "x", "conf": {"a": 2}}}, r"a=None \(not 2\) of ordering x;"),
        ({"ordering": {"name": "x", "conf": {}, "record": {"sha256": "2"}}}, "other code of ordering x than is there"),
        ({"phones": ["b"]}, "another token list .stage 5"),
        ({"stats": {"most_phone": 9}}, "other statistics .stage 5"),
        ({"codec": {"fingerprint": "2"}}, "another codec .stage 4"),
        ({"inputs": {"list": "1", "train": "2"}}, "other training data"),
        ({"train": {"lr": 2}}, r"lr=1 \(not 2\);"),
        ({"model": {}, "train": {"lr": 2}}, r"lr=1 \(not 2\) and width=8 \(not None\);"),
    ],
)
@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_what_changed_under_a_training_is_refused_with_its_stage(tmp_path, kind, changed, message):
    before = {
        "kind": kind,
        "model": {"width": 8},
        "ordering": {"name": "x", "conf": {}, "record": {"sha256": "1"}},
        "phones": ["a"],
        "stats": {"most_phone": 8},
        "codec": {"fingerprint": "1"},
        "inputs": {"list": "1", "train": "1"},
        "train": {"lr": 1},
    }
    _same(before, before, tmp_path)
    _same({name: value for name, value in before.items() if name != "inputs"}, before, tmp_path)  # of an older version
    stage = {"ar": 6, "nar": 7}[kind]
    with pytest.raises(UserError, match=rf"began with {message}.* rerun stage {stage} from its beginning"):
        _same(before, {**before, **changed}, tmp_path)
