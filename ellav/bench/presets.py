"""Models of random weights in the sizes that are measured: the presets of `conf/train`, which the package carries."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from ellav.bench.speech import PHONES, Codes, GeneratedSpeech
from ellav.config import build, read_yaml
from ellav.errors import UserError, did_you_mean
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.models.trained import build_model
from ellav.plugins.orderings import Ordering, orderings
from ellav.train.config import TrainConfig
from ellav.train.resolve import reads_durations, split_conf

PRESETS = Path(__file__).parents[1] / "presets"

RECIPE = Codes(50.0, 4, 1024)
"""What presets are measured with: the codes of `egs/mini`."""
OTHERS = {"paper": Codes(75.0, 8, 1024)}
"""Those of the papers: EnCodec at 6 kbit/s."""


class RandomModel(NamedTuple):
    """A model of random weights, its bound ordering, and how the preset trains it."""

    model: ARModel | NARModel
    ordering: Ordering
    config: TrainConfig


def read_preset(name: str) -> dict:
    """The content of a preset, by its name or, with a suffix, by its path; raises UserError where there is none."""
    if Path(name).suffix in (".yaml", ".yml"):
        return read_yaml(name)
    known = sorted(preset.stem for preset in PRESETS.glob("*.yaml"))
    if name not in known:
        there = ", ".join(known)
        raise UserError(f"no preset {name!r}{did_you_mean(name, known)}; there are {there}, or name a YAML file")
    return read_yaml(PRESETS / f"{name}.yaml")


def codes_of(preset: str) -> Codes:
    """The codes that a preset is measured with."""
    return OTHERS.get(Path(preset).stem, RECIPE)


def random_model(
    kind: str, preset: str, ordering: str, ordering_conf: dict, model_conf: dict, train_conf: dict | None = None
) -> RandomModel:
    """The AR or the NAR model (kind: ar, nar) of a preset. model_conf, train_conf: on top of the preset's."""
    names = ("model_conf", "train_conf", f"{kind}_conf")
    content, codes = read_preset(preset), codes_of(preset)
    given = [content.get(name) or {} for name in names]
    for name, conf in zip(names, given, strict=True):
        if not isinstance(conf, dict):
            raise UserError(f"preset {preset}: {name} should be `name: value` lines, found {conf!r}")
    of_model, of_train = split_conf(kind, *given)
    of_model |= model_conf
    of_train |= train_conf or {}
    made = orderings.create(ordering, ordering_conf)
    made.bind(PHONES, codes.size)
    if of_model.get("text") == "auto":
        speech = GeneratedSpeech(20, codes, len(PHONES), (1.0, 2.0), 1000)
        of_model["text"] = "aligned" if reads_durations(made, speech) else "prefix"
    described = {
        "kind": kind,
        "model": asdict(build(ModelOptions, of_model, "model_conf")),
        "ordering": {"name": ordering, "conf": ordering_conf},
        "phones": PHONES,
        "stats": {"codebooks": codes.codebooks, "codebook_size": codes.size},
    }
    model, made = build_model(described)
    fill(model)
    return RandomModel(model, made, build(TrainConfig, of_train, "train_conf"))


def fill(model: ARModel | NARModel) -> None:
    """Small normal numbers into all matrices: a model begins with zeros in some, which cost a processor less.

    Those of the outputs are so large that a nucleus has a few tens of codes, as a trained model's: one of nearly all
    takes longer to find.
    """
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim == 2:
                weight.normal_(std=0.02)
        model.table.normal_(std=3 / model.options.width**0.5)
