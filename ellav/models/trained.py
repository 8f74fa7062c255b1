"""A trained model's folder: config.yaml beside weights in safetensors."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from ellav.config import build, read_yaml
from ellav.data.dataset import Tokens
from ellav.data.outputs import need, read_record
from ellav.errors import UserError
from ellav.models.ar import ARModel
from ellav.models.languages import LanguageFirst
from ellav.models.model_config import read_model_config
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import Ordering, orderings
from ellav.weights import FLOATS, INT8, read_weights

TRAIN = "6 or 7 (train)"
WEIGHTS = ("averaged", "best", "last")
"""The weights that a training leaves: mean of its last steps, lowest validation loss on the way, its end."""
STAGES = {"ar": "6 (train AR)", "nar": "7 (train NAR)"}


@dataclass(frozen=True)
class Trained:
    """A model ready to use, its bound ordering, and the configuration it was trained with."""

    model: ARModel | NARModel
    ordering: Ordering
    config: dict

    def check_fits(
        self, tokens: Tokens, where: Path | str, listed: Path | None = None, codec: Path | None = None
    ) -> None:
        """Raises UserError naming `where` if it was trained on another token list or codec.

        listed, codec: their folders in a recipe, which are also to be the very ones of the
        training, not made anew since.
        """
        stage = STAGES[self.config["kind"]]
        if self.config["phones"] != tokens.phones:
            raise UserError(f"{where}: trained with another token list; rerun stage {stage}")
        for name in ("frame_rate", "codebooks", "codebook_size"):
            if self.config["stats"][name] != tokens.stats[name]:
                raise UserError(
                    f"{where}: trained on codes with {name} {self.config['stats'][name]}, "
                    f"these have {tokens.stats[name]}; rerun stage {stage}"
                )
        keys = {}
        if codec:
            given = read_yaml(codec / "codec.yaml")
            made, wanted = maker_of_codes(given), maker_of_codes(self.config["codec"])
            if any(made.get(name) != wanted[name] for name in ("name", "conf") if name in wanted):
                raise UserError(f"{where}: trained on codes of another codec than {codec}; rerun stage {stage}")
            key = made.get("fingerprint") or read_record(codec).get("key")
            keys["codec"] = (codec, key, wanted.get("fingerprint"))
        if listed:
            keys["token list"] = (listed, read_record(listed).get("key"), self.config.get("inputs", {}).get("list"))
        for what, (folder, now, trained_on) in keys.items():
            if now and trained_on and now != trained_on:
                raise UserError(f"{where}: trained with another {what} than {folder} is now; rerun stage {stage}")


def maker_of_codes(described: dict) -> dict:
    """Of what codec.yaml says, the part about the codec that makes the codes: another one's, where this speaks them."""
    maker = described.get("codes_of")
    return maker if isinstance(maker, dict) else described


def build_model(config: dict) -> tuple[ARModel | NARModel, Ordering]:
    """A fresh model and its bound ordering from the content of config.yaml."""
    ordering = orderings.create(config["ordering"]["name"], config["ordering"]["conf"])
    ordering.bind(tuple(config["phones"]), config["stats"]["codebook_size"])
    options = build(ModelOptions, config["model"], "model_conf")
    if config.get("languages"):
        ordering = LanguageFirst(ordering, config["languages"])
    if config["kind"] == "ar":
        return ARModel.of(ordering, options), ordering
    stats = config["stats"]
    try:
        model = NARModel(options, len(config["phones"]), stats["codebooks"], ordering.codebooks, stats["codebook_size"])
    except ValueError as error:
        raise UserError(f"NAR model after ordering {config['ordering']['name']}: {error}") from None
    return model, ordering


def lowest(valid: dict[str, dict[str, float]]) -> str:
    """The weights with the lowest validation loss; `averaged` without any.

    valid: figures of each, as in summary.json.
    """
    losses = {name: valid[name]["loss"] for name in WEIGHTS if name in valid}
    known = {name: loss for name, loss in losses.items() if math.isfinite(loss)}
    return min(known, key=known.get, default="averaged")


def choose_weights(folder: Path | str, which: str = "auto") -> str:
    """`which`, or for `auto` the weights in `folder` that the trainer found to have the lowest validation loss."""
    if which in WEIGHTS:
        return which
    if which != "auto":
        raise UserError(f"{folder}: has no weights {which!r}; there are auto, {', '.join(WEIGHTS)}")
    try:
        return lowest(json.loads((Path(folder) / "summary.json").read_text(encoding="utf-8"))["valid"])
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return "averaged"


def load_trained(folder: Path | str, which: Literal["auto", "averaged", "best", "last"] = "auto") -> Trained:
    """The model in a folder that `ellav train` wrote, in evaluation mode on the CPU. which: see `choose_weights`.

    Raises UserError where something is missing or the weights do not fit config.yaml;
    warns where the code of an ordering from outside has changed since.
    """
    folder = Path(folder)
    config = read_model_config(need(folder / "config.yaml", TRAIN))
    try:
        with torch.device("meta"):  # a size that the weights do not have costs nothing
            model, ordering = build_model(config)
    except UserError as error:
        raise UserError(f"{folder / 'config.yaml'}: {error}") from None
    orderings.warn_if_changed(config["ordering"]["name"], config["ordering"].get("record"), str(folder))
    load_weights(model, need(folder / f"{choose_weights(folder, which)}.safetensors", TRAIN))
    return Trained(model.eval(), ordering, config)


def load_pair(ar: Path, nar: Path, which: str | dict[str, str] = "auto") -> tuple[Trained, Trained]:
    """`load_trained` of an AR and a NAR model; raises UserError where one cannot go on from the other.

    which: of both, or of each under its kind, as a packed model names them.
    """
    which = which if isinstance(which, dict) else {"ar": which, "nar": which}
    first, second = load_trained(ar, which.get("ar")), load_trained(nar, which.get("nar"))
    for folder, trained, kind in ((ar, first, "ar"), (nar, second, "nar")):
        if trained.config["kind"] != kind:
            raise UserError(
                f"{folder}: holds a model of kind {trained.config['kind']}, not {kind}; give the other folder"
            )
    ordering = f"ordering {first.config['ordering']['name']} of {ar}"
    if second.model.known != first.ordering.codebooks:
        raise UserError(
            f"{nar}: goes on after {second.model.known} codebooks, but {ordering} makes {first.ordering.codebooks}; "
            f"rerun stage {STAGES['nar']}"
        )
    if second.model.options.text == "aligned" and not first.ordering.needs_durations:
        raise UserError(
            f"{nar}: needs the durations of phones, which {ordering} does not keep; "
            f"rerun stage {STAGES['nar']} with that ordering"
        )
    return first, second


def load_weights(model: nn.Module, path: Path) -> None:
    """Read safetensors into `model`, as float32 however they are stored, whether or not it has memory yet (device
    `meta`).

    Raises UserError naming the file where they do not fit.
    """
    wanted = {name: tuple(place.shape) for name, place in model.state_dict().items()}
    weights = read_weights(path, wanted, f"rerun stage {TRAIN}, or take another --which", types=(*FLOATS, INT8))
    model.load_state_dict(weights, assign=True)
