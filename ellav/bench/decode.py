"""Decoding: the engine and the NAR model, each with its floor and beside the textbook."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from ellav.bench.floors import decoding_bytes, operations, output_weights
from ellav.bench.measured import fastest, figures
from ellav.bench.reference import Reference
from ellav.infer.engine import Engine
from ellav.models.ar import ARModel
from ellav.models.nar import NARInput, NARModel
from ellav.models.options import ModelOptions
from ellav.models.products import quantised
from ellav.plugins.decoders import Decoder
from ellav.plugins.orderings import Ordering
from ellav.types import DecodingRequest, DecodingScript, Utterance


class Setting(NamedTuple):
    """What all rows have in common. dtype: of the weights. quantize: "int8" measures them rounded too. bandwidth: bytes
    a second. frame_rate: frames a second."""

    device: torch.device
    dtype: torch.dtype
    quantize: str
    bandwidth: float
    frame_rate: float
    repeats: int


def held_back(ordering: Ordering, request: DecodingRequest) -> DecodingScript:
    """A script with one length, whatever the model says: what ends a segment comes when it must, and not before."""
    script = ordering.script(request)
    return dataclasses.replace(script, least=script.most)


def ar_rows(
    setting: Setting,
    model: ARModel,
    ordering: Ordering,
    decoder: Decoder,
    requests: list[DecodingRequest],
    scripts: list[DecodingScript],
    batch: int,
    width: int | None = None,
) -> Iterator[dict]:
    """The engine, the engine without CUDA graphs on a GPU, with rounded weights where asked for, and the textbook with
    as many rows.

    model: on the device. scripts: of the requests; `batch` of them are decoded at a time. width: rows fed a step.
    """
    names = [f"{number} {request.id}" for number, request in enumerate(requests)]
    prefixes = [len(script.prefix) for script in scripts]
    rows, speech = [], 0.0
    plain = {"no graphs": {"graphs": False}} if setting.device.type == "cuda" else {}
    round_too = {setting.quantize: {"quantize": setting.quantize}} if setting.quantize != "none" else {}
    for changed, given in {"": {}, **plain, **round_too}.items():
        engine = Engine(model, ordering, decoder, batch, width, **given)

        def work(engine: Engine = engine):
            before = engine.forwards
            return engine.decode(names, scripts), engine.forwards - before

        run = fastest(work, setting.repeats, setting.device)
        decoded, steps = run.result
        rows = [one.steps for one in decoded]
        frames = [len(ordering.restore(one.ids).codes) for one in decoded]
        speech = (sum(frames) - sum(len(request.codes) for request in requests)) / setting.frame_rate
        floor = decoding_bytes(
            model.options,
            output_weights(model),
            1 if engine.quantize == "int8" else engine.network.dtype.itemsize,
            engine.network.cache_dtype.itemsize,
            steps,
            list(zip(prefixes, rows, strict=True)),
            engine.width,
        )
        name = f"AR engine, {changed}" if changed else "AR engine"
        yield figures(name, batch, run, steps, sum(rows), speech, floor / setting.bandwidth)
    share = batch / len(scripts)
    prefix, each = round(np.mean(prefixes)), max(1, round(np.mean(rows)))
    yield ar_reference(setting, model.options, ordering.vocabulary.size, batch, prefix, each, speech * share)


def ar_reference(
    setting: Setting, options: ModelOptions, vocabulary: int, batch: int, prefix: int, rows: int, speech: float
) -> dict:
    """The textbook of the model's size, all of a batch with one length. prefix, rows: of each. speech: seconds of
    all."""
    reference = Reference(options, vocabulary).to(setting.device, setting.dtype).eval()
    ids = torch.randint(vocabulary, (batch, prefix), device=setting.device)
    run = fastest(lambda: reference.generate(ids, rows), setting.repeats, setting.device)
    size, plain = setting.dtype.itemsize, dataclasses.replace(options, kv_heads=None)
    floor = decoding_bytes(plain, vocabulary * options.width, size, size, rows, [(prefix, rows)] * batch)
    return figures("AR reference", batch, run, rows, batch * rows, speech, floor / setting.bandwidth)


def nar_rows(
    setting: Setting, model: NARModel, prompts: list[Utterance], targets: list[Utterance], peak: float
) -> Iterator[dict]:
    """The NAR model, the same with rounded weights where asked for, and the textbook with as many passes.

    model: on the device. targets: each completed after its prompt. peak: operations a second of a large product.
    """
    items = [
        NARInput(
            np.concatenate([prompt.phones, target.phones]),
            np.concatenate([prompt.durations, target.durations]),
            np.concatenate([prompt.codes, target.codes])[:, : model.known],
            prompt.codes,
        )
        for prompt, target in zip(prompts, targets, strict=True)
    ]
    batch, levels = len(items), model.codebooks - model.known
    frames = sum(target.frames for target in targets)
    text = [len(item.phones) if model.options.text == "prefix" else 0 for item in items]
    lengths = [len(item.codes) + before for item, before in zip(items, text, strict=True)]
    speech = frames / setting.frame_rate

    def row(name: str, work, output: int, predicted: int, known: bool = True) -> dict:
        run = fastest(work, setting.repeats, setting.device)
        needed = levels * operations(model.options, lengths, predicted, output, causal=False)
        return figures(name, batch, run, levels, levels * frames, speech, needed / peak if known else None)

    output = model.size * model.options.width
    yield row("NAR model", lambda: model.generate(items), output, frames)
    if setting.quantize != "none":
        rounded = quantised(model if setting.dtype == torch.float32 else copy.deepcopy(model).float())
        # No product of 8 bits has been measured that its floor could be told from.
        yield row(f"NAR model, {setting.quantize}", lambda: rounded.generate(items), output, frames, known=False)
    reference = Reference(model.options, model.size).to(setting.device, setting.dtype).eval()
    ids = torch.randint(model.size, (batch, max(lengths)), device=setting.device)
    yield row("NAR reference", lambda: reference.complete(ids, levels), output, sum(lengths))
