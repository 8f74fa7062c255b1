"""From folders to a voice: the two models, their codec and a decoder, ready on a device."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from ellav.data.dataset import Tokens
from ellav.data.option_files import resolve_files
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.models.fastest import decoding_dtype
from ellav.models.model_config import prompt_bounds
from ellav.models.products import quantised
from ellav.models.trained import Trained, load_pair
from ellav.plugins.aligners import aligners
from ellav.plugins.codecs import Codec, load_codec
from ellav.plugins.decoders import Decoder
from ellav.plugins.registry import Registry


class Voice(NamedTuple):
    """A pipeline, and what its models were trained with."""

    pipeline: Pipeline
    ar: Trained
    nar: Trained


def load_voice(
    ar: Path,
    nar: Path,
    codec: Path,
    tokens: Tokens,
    decoder: Decoder,
    which: str | dict[str, str] = "auto",
    device: torch.device | str = "cpu",
    quantize: str = "none",
    batch: int = 32,
    listed: Path | None = None,
    nar_temperature: float = 0.0,
    dtype: str = "float32",
    match_voice: float = 0.0,
) -> Voice:
    """The models of two folders that `ellav train` wrote, beside the codec of a third.

    which: weights, see `ellav.models.trained.load_pair`. quantize: "int8" rounds the weights of both models to 8 bits,
    on a CPU only. batch: utterances decoded together. listed: the folder of `tokens` in a recipe, which is then to be
    the very one of the training. nar_temperature, match_voice: see `Pipeline`. dtype: of the weights of both models,
    see `ellav.models.fastest.decoding_dtype`; float32 beside "int8". Raises UserError where something is missing or
    does not fit.
    """
    made = load_codec(codec)
    first, second = load_pair(ar, nar, which)
    for folder, trained in ((ar, first), (nar, second)):
        trained.check_fits(tokens, folder, listed, codec)
    device = torch.device(device)
    if quantize != "none" and dtype not in ("auto", "float32"):
        raise UserError(f"--dtype {dtype} and --quantize {quantize} exclude each other")
    models = []
    for trained in (first, second):
        chosen = decoding_dtype("float32" if quantize != "none" else dtype, device, trained.model.options)
        models.append(trained.model.to(device, chosen))
    engine = Engine(models[0], first.ordering, decoder, batch, quantize=quantize)
    completing = quantised(models[1]) if quantize == "int8" else models[1]
    longest = round(prompt_bounds(second.config)[1] * made.frame_rate)
    pipeline = Pipeline(engine, completing, made, longest, nar_temperature, match_voice, tokens.silence)
    return Voice(pipeline, first, second)


def check_codec(codec: Codec, tokens: Tokens, folder: Path) -> None:
    """Raises UserError naming the folder where the codec makes other codes than the token list's statistics say."""
    for name, stated in (("frame_rate", "frame_rate"), ("codebooks", "codebooks"), ("size", "codebook_size")):
        if getattr(codec, name) != tokens.stats[stated]:
            raise UserError(
                f"{folder / 'codec'}: its {name} is {getattr(codec, name)}, that of list/stats.yaml"
                f" {tokens.stats[stated]}; pack the model again"
            )


def longest_seen(config: dict) -> int:
    """Frames of the longest sequence that a model was trained with; config: of config.yaml."""
    return int(config.get("train", {}).get("max_frames") or 2 * config["stats"]["max_frames"])


def packed_plugin(registry: Registry, choice: dict, folder: Path):
    """The plugin that `ellav pack` named, with the files it carried along."""
    cls = registry.get(choice["name"])
    if registry is aligners and not hasattr(cls, "align"):
        raise UserError(
            f"{folder / 'model.yaml'}: aligner {choice['name']} runs a program or reads files and aligns no"
            " prompt; a packed model has parts that run in process only; pack it again with --prompt-aligner"
        )
    registry.warn_if_changed(choice["name"], choice.get("record"), str(folder))
    return registry.create(choice["name"], resolve_files(cls, choice["conf"], folder))
