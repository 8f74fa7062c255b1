from pathlib import Path

import numpy as np
import pytest

from ellav.bin.options import parse
from ellav.bin.train import _parser, _same
from ellav.config import build, read_yaml
from ellav.errors import UserError
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import orderings
from ellav.testing.utterances import CODEBOOK_SIZE, PHONES, random_utterance
from ellav.train.config import TrainConfig
from ellav.train.resolve import reads_durations, split_conf

PRESETS = sorted((Path(__file__).parents[2] / "conf/train").glob("*.yaml"))
PLACES = [f"--{name}=x" for name in ("train", "valid", "tokens", "codec", "out")]


@pytest.mark.parametrize("kind", ["ar", "nar"])
@pytest.mark.parametrize("preset", PRESETS, ids=lambda path: path.stem)
def test_every_preset_describes_both_models(preset, kind):
    options = parse(_parser(), [kind, f"--config={preset}", *PLACES])
    own = {"ar": options.ar_conf, "nar": options.nar_conf}[kind]
    model_conf, train_conf = split_conf(kind, options.model_conf, options.train_conf, own)
    assert build(ModelOptions, model_conf, "model_conf").layers == read_yaml(preset)["model_conf"]["layers"]
    build(TrainConfig, train_conf, "train_conf")


def test_options_of_one_model_stand_above_the_common_ones():
    options = parse(
        _parser(), ["ar", *PLACES, "--train_conf", "lr=1", "--ar_conf", "lr=2", "width=64", "--nar-conf", "lr=3"]
    )
    assert split_conf("ar", options.model_conf, options.train_conf, options.ar_conf) == ({"width": 64}, {"lr": 2})
    with pytest.raises(UserError, match="nar_conf: unknown option 'depth'"):
        split_conf("nar", {}, {}, {"depth": 2})


def test_a_run_goes_on_only_with_what_it_began_with():
    before = {"kind": "ar", "model": {"width": 8}, "train": {"lr": 1, "max_steps": 10}, "version": "0"}
    _same(before, {**before, "version": "1", "train": {"lr": 1, "max_steps": 20}}, Path("exp"))
    _same(before, {**before, "train": {"lr": 1, "batch_tokens": TrainConfig.batch_tokens}}, Path("exp"))
    for changed, which in (
        ({"train": {"lr": 1, "batch_tokens": 4000}}, "batch_tokens=8000 .not 4000."),
        ({"model": {"width": 9}}, "width=8 .not 9."),
        ({"train": {"lr": 2, "max_steps": 10}}, "lr=1 .not 2."),
    ):
        with pytest.raises(UserError, match=f"began with {which}; go back"):
            _same(before, {**before, **changed}, Path("exp"))


@pytest.mark.parametrize(
    ("ordering", "reads"), [("interleaved", True), ("concat", False), ("grouped", False), ("word_block", False)]
)
def test_an_ordering_reads_most_durations_back_or_it_does_not(ordering, reads):
    made = orderings.create(ordering)
    made.bind(PHONES, CODEBOOK_SIZE)
    rng = np.random.default_rng(0)
    assert reads_durations(made, [random_utterance(rng, CODEBOOK_SIZE, 2) for _ in range(40)]) == reads
