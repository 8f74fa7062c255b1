"""A trained model's folder: config.yaml, weights in safetensors, and the state to resume from."""

from __future__ import annotations

import os
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import torch
import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ellav import __version__
from ellav.config import build, read_yaml
from ellav.data.outputs import need, write_text
from ellav.errors import UserError
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import Ordering, orderings

STATE = "state.pt"


@dataclass(frozen=True)
class Trained:
    """A model ready to use, its bound ordering, and the configuration it was trained with."""

    model: ARModel | NARModel
    ordering: Ordering
    config: dict


def describe_model(
    kind: Literal["ar", "nar"],
    options: ModelOptions,
    ordering: str,
    ordering_conf: dict,
    phones: list[str],
    stats: dict,
    codec: dict,
) -> dict:
    """The content of config.yaml: all that the weights depend on. codec: what made the codes."""
    return {
        "kind": kind,
        "version": __version__,
        "model": asdict(options),
        "ordering": {"name": ordering, "conf": ordering_conf, "record": orderings.record(ordering)},
        "phones": list(phones),
        "stats": dict(stats),
        "codec": codec,
    }


def build_model(config: dict) -> tuple[ARModel | NARModel, Ordering]:
    """A fresh model and its bound ordering from the content of config.yaml."""
    ordering = orderings.create(config["ordering"]["name"], config["ordering"]["conf"])
    ordering.bind(tuple(config["phones"]), config["stats"]["codebook_size"])
    options = build(ModelOptions, config["model"], "model_conf")
    if config["kind"] == "ar":
        return ARModel.of(ordering, options), ordering
    stats = config["stats"]
    try:
        model = NARModel(options, len(config["phones"]), stats["codebooks"], ordering.codebooks, stats["codebook_size"])
    except ValueError as error:
        raise UserError(f"ordering {config['ordering']['name']}: {error}") from None
    return model, ordering


def load_trained(folder: Path | str, which: Literal["averaged", "best", "last"] = "averaged") -> Trained:
    """The model in a folder that `ellav train` wrote, in evaluation mode on the CPU.

    Raises UserError where something is missing or the weights do not fit config.yaml;
    warns where the ordering's code has changed since.
    """
    folder = Path(folder)
    config = read_yaml(need(folder / "config.yaml", "6 or 7 (train)"))
    missing = {"kind", "model", "ordering", "phones", "stats", "codec"} - config.keys()
    if missing:
        raise UserError(f"{folder / 'config.yaml'}: {sorted(missing)[0]!r} is missing; train again")
    model, ordering = build_model(config)
    record = config["ordering"]["record"]
    if orderings.record(record["name"])["sha256"] != record["sha256"]:
        warnings.warn(f"{folder}: the code of ordering {record['name']!r} has changed since training", stacklevel=2)
    load_weights(model, need(folder / f"{which}.safetensors", "6 or 7 (train)"))
    return Trained(model.eval(), ordering, config)


def load_weights(model: nn.Module, path: Path) -> None:
    """Read safetensors into `model`; raises UserError naming the file where they do not fit."""
    try:
        model.load_state_dict(load_file(path))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: does not fit the config.yaml beside it: {reason}") from None


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write safetensors beside and rename."""
    beside = path.with_suffix(".tmp")
    save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, beside)
    os.replace(beside, path)


def save_config(config: dict, folder: Path) -> None:
    """Write config.yaml."""
    write_text(folder / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))


def save_state(state: dict, folder: Path) -> None:
    """Write state.pt: tensors and plain values only. One file, so it is never half new."""
    beside = folder / (STATE + ".tmp")
    torch.save(state, beside)
    os.replace(beside, folder / STATE)


def load_state(folder: Path) -> dict | None:
    """What `save_state` wrote, or None where there is nothing."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a torn or foreign file
        reason = str(error).splitlines()[0][:120]
        raise UserError(f"{path}: not readable ({reason}); remove it to start anew") from None
