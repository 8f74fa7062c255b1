import json
import math
import os
import signal

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from ellav.config import build
from ellav.data.batching import Batches, Place
from ellav.data.dataset import STATISTICS
from ellav.data.speakers import group_by_speaker
from ellav.errors import UserError
from ellav.models.options import ModelOptions
from ellav.models.trained import build_model, choose_weights, load_trained, lowest
from ellav.train import checkpoint
from ellav.train.config import TrainConfig
from ellav.train.objectives import ARObjective, NARObjective
from ellav.train.optimizers import orthogonalise
from ellav.train.trainer import Trainer
from ellav.types import Utterance

PHONES, SIZE, BOOKS = ["a", "b", "c", "d", "sp"], 12, 3


class Speech(list):
    """Utterances whose codes follow from their phones, with a random id of the speaker mixed in."""

    def __init__(self, count: int):
        rng = np.random.default_rng(7)
        for number in range(count):
            phones = rng.integers(0, 4, 5).astype(np.int32)
            durations = rng.integers(1, 5, 5).astype(np.int32)
            first = np.repeat(phones * 2 + number % 2, durations)
            codes = np.stack([first, (first + 1) % SIZE, (first * 3) % SIZE], axis=1).astype(np.int16)
            words = np.arange(5, dtype=np.int32)
            self.append(Utterance(f"u{number:02}", f"s{number % 2}", "und", phones, words, durations, codes))
        self.by_speaker = group_by_speaker([u.speaker for u in self])
        self.lengths = np.array([u.frames for u in self])


def described(kind="ar", ordering="interleaved", **model) -> dict:
    size = {"layers": 2, "width": 32, "heads": 2, "ffn": 64, **model}
    conf = {"local_advance": 1} if ordering == "interleaved" else {}
    stats = dict.fromkeys(STATISTICS, 20) | {"codebook_size": SIZE, "codebooks": BOOKS}
    return checkpoint.describe_model(kind, ModelOptions(**size), ordering, conf, PHONES, stats, {"name": "none"})


def objective_of(config: dict):
    torch.manual_seed(0)
    model, ordering = build_model(config)
    return ARObjective(model, ordering) if config["kind"] == "ar" else NARObjective(model, (1, 4))


def trainer(folder, config=None, data=None, on_sample=None, **changes) -> Trainer:
    config, data = config or described(), data or Speech(16)
    objective = objective_of(config)
    defaults = {"max_steps": 8, "batch_tokens": 200, "max_frames": 40, "log_every": 1, "dtype": "float32"}
    conf = TrainConfig(**{**defaults, "warmup": 2, "valid_every": 4, "save_every": 3, **changes})
    batches = Batches(data, objective.arrange, objective.collate, conf.batch_tokens, conf.max_frames, conf.seed)
    valid = [batch for batch, _ in batches.epoch(Place(99))][:2]
    folder.mkdir(exist_ok=True)
    checkpoint.save_config(config, folder)
    return Trainer(objective, batches, valid, conf, folder, on_sample)


def losses(folder) -> list[str]:
    rows = [line.split("\t") for line in (folder / "losses.tsv").read_text().splitlines()[1:]]
    return [(step, name, value) for step, _, name, value in rows if "tokens_per_second" not in name]


@pytest.mark.parametrize("changes", [{}, {"optimizer": "muon"}, {"dtype": "bfloat16", "accumulate": 2}])
@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path, kind, changes):
    config = described(kind, dropout=0.1)
    trainer(tmp_path / "whole", config, max_steps=9, **changes).run()
    halted = trainer(tmp_path / "halted", config, max_steps=9, **changes)
    step = halted._train_step

    def until_five(*given):
        if halted.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return step(*given[:2], halted.step == 5)

    halted._train_step = until_five
    with pytest.raises(SystemExit):
        halted.run()
    assert checkpoint.load_state(tmp_path / "halted")["step"] == 6
    trainer(tmp_path / "halted", config, max_steps=9, **changes).run()
    assert losses(tmp_path / "halted") == losses(tmp_path / "whole")
    for name in ("last", "best", "averaged"):
        a, b = ((tmp_path / f / f"{name}.safetensors").read_bytes() for f in ("whole", "halted"))
        assert a == b


def test_a_lost_run_goes_on_from_its_last_save(tmp_path):
    def lost(*given):
        raise KeyboardInterrupt

    trainer(tmp_path / "whole", max_steps=8).run()
    broken = trainer(tmp_path / "lost", max_steps=8)
    step = broken._train_step
    broken._train_step = lambda *given: lost() if broken.step == 5 else step(*given)
    with pytest.raises(KeyboardInterrupt):
        broken.run()
    assert any(int(row[0]) > 3 for row in losses(tmp_path / "lost"))
    trainer(tmp_path / "lost", max_steps=8).run()
    assert losses(tmp_path / "lost") == losses(tmp_path / "whole")


@pytest.mark.parametrize("kind", ["ar", "nar"])
def test_two_half_batches_make_the_step_of_the_whole_batch(tmp_path, kind):
    """Also when the halves hold different numbers of targets."""
    made = []
    for parts in ([[0, 1, 2, 3]], [[0], [1, 2, 3]]):
        one = trainer(tmp_path / str(len(parts)), described(kind), accumulate=len(parts))
        data, rng = Speech(4), np.random.default_rng(0)
        items = [one.objective.arrange(u, rng) for u in data]
        stream = iter([(one.objective.collate([items[i] for i in part]), Place()) for part in parts])
        one.dtype = "float32"
        [(loss, norm)], *_ = one._train_step(stream, False, False)
        made.append((loss, norm, one.objective.model.table.detach().clone(), one.frames))
    (loss, norm, table, frames), (loss2, norm2, table2, frames2) = made
    assert loss == pytest.approx(loss2, rel=1e-5) and norm == pytest.approx(norm2, rel=1e-4) and frames == frames2
    torch.testing.assert_close(table, table2, atol=1e-5, rtol=1e-3)


def test_the_gradient_is_clipped_before_the_step(tmp_path):
    one = trainer(tmp_path, clip=1e-3)
    seen = []
    for optimizer in one.optimizers:
        step = optimizer.step

        def spied(step=step):
            seen.append(math.sqrt(sum(float(p.grad.square().sum()) for p in one.parameters)))
            step()

        optimizer.step = spied
    one.run()
    assert len(seen) == 8 and max(seen) <= 1.01e-3


def test_nan_stops_the_run_and_names_the_utterances(tmp_path):
    one = trainer(tmp_path)
    with torch.no_grad():
        one.objective.model.table[0] = float("nan")
    with pytest.raises(UserError, match=r"step 1: loss is nan; the batch held .*u\d\d"):
        one.run()
    assert not (tmp_path / "state.pt").exists()


def test_sixteen_utterances_are_learned_by_heart(tmp_path):
    config = described(width=48)
    one = trainer(tmp_path, config, max_steps=200, lr=1e-2, valid_every=200, save_every=200, log_every=50)
    summary = one.run()
    assert summary["valid"]["last"]["loss"] < 1.0, summary[
        "valid"
    ]  # durations of joins seen in another order stay open
    last = summary["valid"]["last"]
    assert last["top10/stream1"] > 0.99 and last["trigger"] > 0.5
    assert summary["averaged_steps"] == pytest.approx(20, abs=1)


@pytest.mark.parametrize("text", ["prefix", "aligned"])
def test_the_nar_model_learns(tmp_path, text):
    config = described("nar", text=text)
    summary = trainer(tmp_path, config, max_steps=120, lr=1e-2, valid_every=120, save_every=120).run()
    assert summary["valid"]["last"]["loss"] < 0.5 * math.log(SIZE), summary["valid"]


def test_a_trained_folder_is_complete_and_loads(tmp_path):
    summary = trainer(tmp_path, described(ordering="concat"), max_steps=5, valid_every=2).run()
    for name in ("config.yaml", "last.safetensors", "best.safetensors", "averaged.safetensors", "state.pt"):
        assert (tmp_path / name).exists()
    stored = json.loads((tmp_path / "summary.json").read_text())
    assert stored == json.loads(json.dumps(summary)) and stored["frames"] > 0 and stored["steps"] == 5
    for which in ("averaged", "best", "last"):
        trained = load_trained(tmp_path, which)
        assert trained.ordering.name == "concat" and not trained.model.training
    assert any((tmp_path / "tensorboard").iterdir())
    again = trainer(tmp_path, described(ordering="concat"), max_steps=5).run()
    assert again["steps"] == 5


@torch.no_grad()
def validation_loss(one, model) -> float:
    objective = ARObjective(model, one.objective.ordering)
    pairs = [objective(batch, True)[1]["loss"] for batch in one.valid]
    return float(sum(a for a, _ in pairs) / sum(b for _, b in pairs))


def test_the_weights_with_the_lowest_validation_loss_are_taken(tmp_path, capsys):
    one = trainer(tmp_path, max_steps=12, average=0.5, lr=1e-2)
    summary = one.run()
    recorded = {name: figures["loss"] for name, figures in summary["valid"].items()}
    assert recorded.keys() == {"last", "averaged", "best"}
    for name, loss in recorded.items():
        assert validation_loss(one, load_trained(tmp_path, name).model) == pytest.approx(loss, rel=1e-5)
    for name in recorded:
        changed = {other: {"loss": 2.0 - (other == name)} for other in recorded}
        (tmp_path / "summary.json").write_text(json.dumps({"valid": changed}))
        assert choose_weights(tmp_path) == name
        table = load_file(tmp_path / f"{name}.safetensors")["table"]
        assert torch.equal(load_trained(tmp_path).model.table, table)
    assert f"decoding takes the weights {lowest(summary['valid'])}" in capsys.readouterr().out


@pytest.mark.parametrize("content", ["{}", '{"valid": {}}', '{"valid": {"last": {"loss": NaN}}}', '{"valid": 3}', "?"])
def test_without_validation_the_averaged_weights_are_taken(tmp_path, content):
    assert choose_weights(tmp_path) == "averaged"
    (tmp_path / "summary.json").write_text(content)
    assert choose_weights(tmp_path) == "averaged" and choose_weights(tmp_path, "last") == "last"
    with pytest.raises(UserError, match=r"has no weights '\.\./x'; there are auto, averaged, best, last"):
        choose_weights(tmp_path, "../x")


def test_a_run_that_goes_on_past_its_end_averages_anew(tmp_path):
    """Neither the weights of the first end count, nor what was found of their average."""
    trainer(tmp_path, max_steps=10, average=0.5).run()
    longer, weights = trainer(tmp_path, max_steps=20, average=0.5, save_every=20), []
    step = longer._train_step

    def noting(*given):
        done = step(*given)
        assert longer.averaged == max(0, longer.step - 10)
        weights.append(longer.objective.model.table.detach().clone())
        return done

    longer._train_step = noting
    assert longer.run()["averaged_steps"] == 10 and len(weights) == 10
    averaged = load_file(tmp_path / "averaged.safetensors")["table"]
    torch.testing.assert_close(averaged, torch.stack(weights).mean(0), atol=1e-5, rtol=1e-4)
    assert trainer(tmp_path, max_steps=20, average=0.5).run()["averaged_steps"] == 10  # trained already: as it was


def test_training_ends_early_where_validation_gets_no_better(tmp_path):
    options = {"max_steps": 50, "lr": 1e-12, "valid_every": 2, "patience": 2}  # the first validation stays the best
    summary = trainer(tmp_path / "whole", **options).run()
    assert summary["steps"] == 6
    stopped = trainer(tmp_path / "stopped", **options)
    step = stopped._train_step
    stopped._train_step = lambda stream, measure, stop: step(stream, measure, stopped.step == 4)
    with pytest.raises(SystemExit):
        stopped.run()
    assert checkpoint.load_state(tmp_path / "stopped")["step"] == 5
    trainer(tmp_path / "stopped", **options).run()
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    assert trainer(tmp_path / "whole", **options).run()["steps"] == 6  # trained already
    assert trainer(tmp_path / "whole", **{**options, "patience": 3}).run()["steps"] == 8
    with pytest.raises(UserError, match="patience must be positive"):
        build(TrainConfig, {"max_steps": 1, "patience": 0}, "train_conf")


def test_weights_that_do_not_fit_are_refused(tmp_path):
    trainer(tmp_path, max_steps=1).run()
    checkpoint.save_config(described(width=64), tmp_path)
    with pytest.raises(UserError, match=r"last\.safetensors: does not fit"):
        load_trained(tmp_path, "last")
    with pytest.raises(UserError, match="another model"):
        trainer(tmp_path, described(width=64)).run()
    (tmp_path / "last.safetensors").write_bytes(b"torn")
    with pytest.raises(UserError, match=r"last\.safetensors: damaged .* rerun stage 6 or 7"):
        load_trained(tmp_path, "last")


def test_samples_are_made_in_evaluation_mode(tmp_path):
    calls = []
    one = trainer(tmp_path, on_sample=lambda model, step, board: calls.append((model.training, step)), sample_minutes=0)
    one.run()
    assert calls[0] == (False, 1) and len(calls) == 8


def test_the_schedule_follows_whichever_end_comes_first():
    steps = TrainConfig(max_steps=100, warmup=10)
    assert steps.progress(50, 9e9, 9) == 0.5
    assert steps.lr_scale(0, 0) == pytest.approx(0.1) and steps.lr_scale(50, 0.5) == pytest.approx(0.5)
    both = TrainConfig(max_steps=100, max_minutes=1, max_frames_seen=1000)
    assert both.progress(10, 30, 0) == 0.5 and both.progress(10, 30, 700) == 0.7
    flat = TrainConfig(max_steps=100, schedule="trapezoid", decay=0.5, warmup=1, final_lr=0.1)
    assert flat.lr_scale(30, 0.3) == 1 and flat.lr_scale(75, 0.75) == pytest.approx(0.55)
    assert flat.lr_scale(100, 1.0) == pytest.approx(0.1)


def test_wrong_options_are_refused():
    with pytest.raises(UserError, match="did you mean 'max_steps'"):
        build(TrainConfig, {"max_step": 3}, "train_conf")
    with pytest.raises(UserError, match="would not end"):
        build(TrainConfig, {}, "train_conf")


def test_orthogonalise_moves_singular_values_near_one():
    made = orthogonalise(torch.randn(3, 24, 24)).float()
    values = torch.linalg.svdvals(made)
    assert values.max() < 1.3 and values.median() > 0.6
