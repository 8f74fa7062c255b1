"""Decoding: the engine and the NAR model, each with its floor and beside the textbook."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from functools import partial
from typing import NamedTuple

import numpy as np
import torch

from ellav.bench.floors import decoding_bytes, operations, output_weights
from ellav.bench.measured import Run, figures, in_turn
from ellav.bench.reference import Reference
from ellav.infer.engine import Engine
from ellav.infer.session import Decoded
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
    plain = {"AR engine, no graphs": {"graphs": False}} if setting.device.type == "cuda" else {}
    round_too = {}
    if setting.quantize != "none":
        round_too = {f"AR engine, {setting.quantize}": {"quantize": setting.quantize}}
    engines = {
        name: Engine(model, ordering, decoder, batch, width, **given)
        for name, given in {"AR engine": {}, **plain, **round_too}.items()
    }

    def work(engine: Engine) -> tuple[list[Decoded], int]:
        before = engine.forwards
        return engine.decode(names, scripts), engine.forwards - before

    each = round(np.mean([one.steps for one in work(engines["AR engine"])[0]]))
    textbook = Textbook(setting, model.options, ordering.vocabulary.size, batch, round(np.mean(prefixes)), max(1, each))
    works = [*(partial(work, engine) for engine in engines.values()), textbook.work]
    *runs, beside = in_turn(works, setting.repeats, setting.device)
    for (name, engine), run in zip(engines.items(), runs, strict=True):
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
            max(1.0, sum(rows) / (steps * min(batch, len(rows)))),
        )
        yield figures(name, batch, run, steps, sum(rows), speech, floor / setting.bandwidth)
    yield textbook.row(beside, speech * batch / len(scripts))


class Textbook:
    """The textbook of a model's size, all of a batch with one length. prefix, rows: of each."""

    def __init__(self, setting: Setting, options: ModelOptions, vocabulary: int, batch: int, prefix: int, rows: int):
        self.setting, self.options, self.vocabulary = setting, options, vocabulary
        self.batch, self.prefix, self.rows = batch, prefix, rows
        self.reference = Reference(options, vocabulary).to(setting.device, setting.dtype).eval()
        self.ids = torch.randint(vocabulary, (batch, prefix), device=setting.device)

    def work(self) -> None:
        """Decode the batch."""
        self.reference.generate(self.ids, self.rows)

    def row(self, run: Run, speech: float) -> dict:
        """What it took. speech: seconds of all."""
        size, plain = self.setting.dtype.itemsize, dataclasses.replace(self.options, kv_heads=None)
        spoken = [(self.prefix, self.rows)] * self.batch
        floor = decoding_bytes(plain, self.vocabulary * self.options.width, size, size, self.rows, spoken)
        tokens, seconds = self.batch * self.rows, floor / self.setting.bandwidth
        return figures("AR reference", self.batch, run, self.rows, tokens, speech, seconds)


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

    output = model.size * model.options.width
    reference = Reference(model.options, model.size).to(setting.device, setting.dtype).eval()
    ids = torch.randint(model.size, (batch, max(lengths)), device=setting.device)
    works = {"NAR model": lambda: model.generate(items), "NAR reference": lambda: reference.complete(ids, levels)}
    rounded = f"NAR model, {setting.quantize}"
    if setting.quantize != "none":
        small = quantised(model if setting.dtype == torch.float32 else copy.deepcopy(model).float())
        works[rounded] = lambda: small.generate(items)
    runs = dict(zip(works, in_turn(list(works.values()), setting.repeats, setting.device), strict=True))
    for name in ("NAR model", rounded, "NAR reference"):
        if name in runs:
            predicted = sum(lengths) if name == "NAR reference" else frames
            needed = levels * operations(model.options, lengths, predicted, output, causal=False)
            # No product of 8 bits has been measured that its floor could be told from.
            floor = None if name == rounded else needed / peak
            yield figures(name, batch, runs[name], levels, levels * frames, speech, floor)
