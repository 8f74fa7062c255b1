"""From folders to a voice: the two models, their codec and a decoder, ready on a device."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from ellav.data.dataset import Tokens
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.models.device import decoding_dtype
from ellav.models.model_config import prompt_bounds
from ellav.models.products import quantised
from ellav.models.trained import Trained, load_pair
from ellav.plugins.codecs import load_codec
from ellav.plugins.decoders import Decoder


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
) -> Voice:
    """The models of two folders that `ellav train` wrote, beside the codec of a third.

    which: weights, see `ellav.models.trained.load_pair`. device: where both models compute, in `decoding_dtype` of it.
    quantize: "int8" rounds the weights of both models to 8 bits, on a CPU only. batch: utterances decoded together.
    listed: the folder of `tokens` in a recipe, which is then to be the very one of the training. nar_temperature: see
    `Pipeline`. Raises UserError where something is missing or does not fit.
    """
    made = load_codec(codec)
    first, second = load_pair(ar, nar, which)
    for folder, trained in ((ar, first), (nar, second)):
        trained.check_fits(tokens, folder, listed, codec)
    dtype = decoding_dtype(device)
    engine = Engine(first.model.to(device), first.ordering, decoder, batch, quantize=quantize, dtype=dtype)
    completing = second.model.to(device, dtype)
    if quantize == "int8":
        completing = quantised(completing)
    longest = round(prompt_bounds(second.config)[1] * made.frame_rate)
    return Voice(Pipeline(engine, completing, made, longest, nar_temperature), first, second)
