"""A packed model's folder: where the default one lies, and what `model.yaml` says. Nothing heavy is imported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ellav.config import read_yaml
from ellav.errors import UserError

PRETRAINED = Path(__file__).parents[1] / "pretrained" / "mini"
"""The model that comes with the package, where it does."""

PROMPTS = "prompts"
"""The folder of the built-in prompts inside a packed model."""

_NEEDED = ("which", "text", "aligner", "decoder")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class BuiltIn:
    """A prompt that a packed model carries: its name, its recording and what it says."""

    name: str
    wav: Path
    text: str


@dataclass(frozen=True)
class Bundle:
    """A packed model. model: the content of model.yaml. prompts: by name, the default first."""

    folder: Path
    model: dict
    prompts: dict[str, BuiltIn]

    def prompt(self, name: str | None) -> BuiltIn:
        """The built-in prompt `name`, or the default one for None; raises UserError that lists them."""
        if not self.prompts:
            raise UserError(f"{self.folder}: this model has no prompt of its own; give a recording and what it says")
        if name is None:
            return next(iter(self.prompts.values()))
        if name not in self.prompts:
            raise UserError(f"{name}: no such file, and no prompt of the model; it has {', '.join(self.prompts)}")
        return self.prompts[name]


def read_bundle(folder: Path | str | None = None) -> Bundle:
    """The packed model in `folder`, or the one that comes with ellav.

    Raises UserError where there is none, and how to get one.
    """
    if folder is None and not (PRETRAINED / "model.yaml").exists():
        raise UserError(
            "no pretrained model came with this copy of ellav (ellav/pretrained/mini is empty);"
            " train one with egs/mini/tts1/run.sh and name it with --model egs/mini/tts1/exp/interleaved/packed"
        )
    folder = PRETRAINED if folder is None else Path(folder)
    if not (folder / "model.yaml").exists():
        raise UserError(f"{folder}: not a packed model (no model.yaml); make one with `ellav pack`")
    model = read_yaml(folder / "model.yaml")
    missing = [key for key in _NEEDED if key not in model]
    if missing:
        raise UserError(f"{folder / 'model.yaml'}: {missing[0]!r} is missing; pack the model again with `ellav pack`")
    return Bundle(folder, model, _prompts(folder, model.get("prompts") or []))


def check_name(name: str) -> str:
    """`name`, if it can name a prompt; raises UserError otherwise. It becomes the name of a file."""
    if not _NAME.fullmatch(name):
        raise UserError(f"prompt {name!r}: a name has letters, digits, '.', '_' and '-' only")
    return name


def _prompts(folder: Path, listed) -> dict[str, BuiltIn]:
    where = folder / "model.yaml"
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and {"name", "text"} <= set(one) for one in listed
    ):
        raise UserError(f"{where}: prompts must be a list of name and text; pack the model again")
    found = {}
    for one in listed:
        name = check_name(str(one["name"]))
        wav = folder / PROMPTS / f"{name}.flac"
        if not wav.exists():
            raise UserError(f"{where}: prompt {name!r} has no {wav}; pack the model again")
        found[name] = BuiltIn(name, wav, str(one["text"]))
    return found
