"""config.yaml of a trained model, checked before anything is built from it: it may be a stranger's."""

from __future__ import annotations

from pathlib import Path

from ellav.config import read_yaml
from ellav.data.dataset import check_phones, check_statistics
from ellav.errors import UserError, one_line
from ellav.plugins.registry import check_described
from ellav.plugins.text import LANGUAGE

NEEDED = {"kind": str, "model": dict, "ordering": dict, "phones": list, "stats": dict, "codec": dict}
MOST_LANGUAGES = 1000
LONGEST = 3600
"""Seconds that a sequence of the training may last."""
NAR_PROMPT = (1.0, 3.0)
"""Seconds of the prompts that a NAR model is trained with where its train_conf does not say so."""


def read_model_config(path: Path) -> dict:
    """The content of config.yaml.

    Raises UserError naming the file and what in it is missing, of another kind or beyond all sense.
    """
    config = read_yaml(path)
    for key, kind in NEEDED.items():
        if key not in config:
            raise UserError(f"{path}: {key!r} is missing; train again")
        if not isinstance(config[key], kind):
            raise UserError(f"{path}: {key} should be a {kind.__name__}, found a {type(config[key]).__name__}")
    if config["kind"] not in ("ar", "nar"):
        raise UserError(f"{path}: kind should be ar or nar, found {config['kind']!r}")
    if config["model"].get("text") == "auto":
        raise UserError(f"{path}: model: text should be prefix or aligned, found 'auto'")
    check_described(config["ordering"], f"{path}: ordering")
    check_phones(config["phones"], str(path))
    check_statistics(config["stats"], f"{path}: stats")
    check_languages(config.get("languages", []), str(path))
    training, inputs = config.setdefault("train", {}), config.setdefault("inputs", {})
    for key, found in (("train", training), ("inputs", inputs)):
        if not isinstance(found, dict):
            raise UserError(f"{path}: {key} should be a dict, found a {type(found).__name__}")
    longest, most = training.get("max_frames"), LONGEST * config["stats"]["frame_rate"]
    if longest is not None and not (type(longest) is int and 0 <= longest <= most):
        raise UserError(f"{path}: train: max_frames should be 0 to {most:g}, found {longest!r}")
    bounds = prompt_bounds(config)
    if not (all(type(bound) in (int, float) for bound in bounds) and 0 < bounds[0] <= bounds[1] <= LONGEST):
        raise UserError(
            f"{path}: train: prompt_least and prompt_most should be seconds, the first not above the second, found "
            f"{bounds[0]!r} and {bounds[1]!r}"
        )
    return config


def check_languages(languages: list, where: str) -> None:
    """Raises UserError naming `where` unless these are names of languages, each once: none, or two at least."""
    names = isinstance(languages, list) and all(isinstance(one, str) and LANGUAGE.fullmatch(one) for one in languages)
    if not names or len(set(languages)) != len(languages) or len(languages) == 1 or len(languages) > MOST_LANGUAGES:
        raise UserError(
            f"{where}: languages should be two names at least, each once, found {one_line(repr(languages), 100)}"
        )


def prompt_bounds(config: dict) -> tuple[float, float]:
    """Seconds of the shortest and of the longest prompt that a NAR model was trained with. config: of config.yaml."""
    training = config.get("train", {})
    return training.get("prompt_least", NAR_PROMPT[0]), training.get("prompt_most", NAR_PROMPT[1])
