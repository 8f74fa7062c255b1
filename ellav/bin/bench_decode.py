"""`ellav bench decode`: random weights of a preset's size, or a trained AR model on the scripts of a test set."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

from ellav.bench.speech import PHONES, generated, request_of
from ellav.bin.bench_options import ORDERING, PRESET, add_common, add_preset, check_counts, check_seconds
from ellav.bin.options import add_choice, add_quantize, add_which, parse, parser
from ellav.bin.synth import limit_threads
from ellav.errors import UserError, option_of
from ellav.infer.protocols import add_options, requests_of

COLUMNS = (
    "batch",
    "steps_per_second",
    "tokens_per_second",
    "real_time_factor",
    "times_floor",
    "peak_memory_mib",
    "peak_gpu_memory_mib",
)
OF_RANDOM = ("preset", "model_conf", "ordering", "ordering_conf", "seconds")
OF_TRAINED = ("data", "tokens", "raw", "least_seconds", "most_seconds", "limit")
PROMPT, SPOKEN = 3.0, 6.0
"""Seconds of the prompt and of what is spoken, with random weights."""


def main(argv: list[str]) -> None:
    """Parse options and measure."""
    options = _options(argv)
    limit_threads()

    import torch

    from ellav.bench.table import show
    from ellav.models.device import choose_device

    device = choose_device(options.device)
    if options.quantize != "none" and device.type != "cpu":
        raise UserError("--quantize int8 is for CPUs: give --device cpu, or leave it out")
    torch.manual_seed(0)
    head, said, rows = (_trained if options.ar else _random)(options, device)
    show(head, said, rows, COLUMNS, options.json)


def _random(options: argparse.Namespace, device) -> tuple[dict, str, Iterator[dict]]:
    """Models of random weights on generated utterances, all of one length. Returns what `show` takes."""
    import numpy as np
    import torch

    from ellav.bench.decode import ar_rows, held_back, nar_rows
    from ellav.bench.presets import codes_of, random_model
    from ellav.models.limits import product_peak
    from ellav.plugins.decoders import decoders

    name, dtype = options.preset or PRESET, getattr(torch, options.dtype)
    codes, decoder = codes_of(name), decoders.create(options.decoder, options.decoder_conf)
    chosen = (name, options.ordering or ORDERING, options.ordering_conf, options.model_conf)
    ar, ordering, _ = random_model("ar", *chosen)
    nar = random_model("nar", *chosen).model if ordering.codebooks < codes.codebooks else None
    models = {kind: model.to(device, dtype).eval() for kind, model in (("ar", ar), ("nar", nar)) if model is not None}
    setting = _setting(options, device, codes.frame_rate)
    peak = product_peak(device, dtype)
    frames = [
        max(3, round(codes.frame_rate * seconds))
        for seconds in (options.prompt_seconds or PROMPT, options.seconds or SPOKEN)
    ]
    rng = np.random.default_rng(0)
    speech = [
        [generated(rng, str(number), count, len(PHONES), codes) for count in frames]
        for number in range(max(options.batch))
    ]

    def rows() -> Iterator[dict]:
        for batch in options.batch:
            prompts, targets = zip(*speech[:batch], strict=True)
            requests = [request_of(*pair) for pair in speech[:batch]]
            scripts = [held_back(ordering, request) for request in requests]
            yield from ar_rows(setting, ar, ordering, decoder, requests, scripts, batch, options.width)
            if nar is not None:
                yield from nar_rows(setting, nar, prompts, targets, peak)

    more = {"preset": name, "ordering": ordering.name, "frame_rate": codes.frame_rate}
    more |= {"prompt_frames": frames[0], "frames": frames[1], "product_gflop_per_s": round(peak / 1e9, 1)}
    sizes = {kind: sum(p.numel() for p in model.parameters()) for kind, model in models.items()}
    written = ", ".join(f"{kind.upper()} {count / 1e6:.3g} M" for kind, count in sizes.items())
    reading = f"{setting.bandwidth / 1e9:.3g} GB/s read, {peak / 1e9:.3g} GFLOP/s multiplied"
    said = f"{name}: {written} parameters, {options.dtype}; {reading}"
    return _head(options, setting, sizes, more), said, rows()


def _trained(options: argparse.Namespace, device) -> tuple[dict, str, Iterator[dict]]:
    """A trained AR model on the scripts of a test set, twice as many as are decoded together, at least 3."""
    import contextlib
    import sys

    import torch

    from ellav.bench.decode import ar_rows
    from ellav.data.dataset import Dataset, Tokens
    from ellav.models.trained import load_trained
    from ellav.plugins.decoders import decoders

    tokens = Tokens.read(options.tokens)
    dataset, decoder = Dataset(options.data, tokens), decoders.create(options.decoder, options.decoder_conf)
    trained = load_trained(options.ar, options.which)
    model, ordering = trained.model.to(device, getattr(torch, options.dtype)), trained.ordering
    options.limit = options.limit or max(3, 2 * max(options.batch))
    with contextlib.redirect_stdout(sys.stderr):  # it says what it leaves out
        requests = [request.decode for request in requests_of(dataset, tokens, options)]
    if not requests:
        raise UserError(f"{options.data}: no utterance can be decoded in mode {options.mode}")
    scripts = [ordering.script(request) for request in requests]
    setting = _setting(options, device, tokens.stats["frame_rate"])

    def rows() -> Iterator[dict]:
        for batch in options.batch:
            count = max(3, 2 * batch)
            given = requests[:count], scripts[:count]
            yield from ar_rows(setting, model, ordering, decoder, *given, batch, options.width)

    sizes = {"ar": sum(p.numel() for p in model.parameters())}
    more = {"ar": str(options.ar), "data": str(options.data), "ordering": ordering.name}
    reading = f"{setting.bandwidth / 1e9:.3g} GB/s read"
    said = f"{options.ar} on {options.data}: {sizes['ar'] / 1e6:.3g} M parameters, {options.dtype}; {reading}"
    return _head(options, setting, sizes, more), said, rows()


def _setting(options: argparse.Namespace, device, frame_rate: float):
    import torch

    from ellav.bench.decode import Setting
    from ellav.models.limits import reading_bandwidth

    dtype, bandwidth = getattr(torch, options.dtype), reading_bandwidth(device)
    return Setting(device, dtype, options.quantize, bandwidth, frame_rate, options.repeats)


def _head(options: argparse.Namespace, setting, parameters: dict[str, int], more: dict) -> dict:
    from ellav.bench.table import about

    reading = round(setting.bandwidth / 1e9, 1)
    return about(
        "decode",
        setting.device,
        **more,
        parameters=parameters,
        decoder=options.decoder,
        dtype=options.dtype,
        quantize=options.quantize,
        reading_gb_per_s=reading,
    )


def _options(argv: list[str]) -> argparse.Namespace:
    made = parser(
        "bench decode",
        "Measure decoding: the AR engine beside a textbook Transformer of its size, and the NAR model beside the same."
        " Weights are random and what ends a phone or a sentence is held back, so that lengths are fixed; or, with"
        " --ar, a trained AR model decodes the scripts of a test set. docs/performance.md says what the columns mean.",
    )
    add_preset(made)
    made.add_argument("--batch", type=int, nargs="+", default=[1, 32], help="utterances that are decoded together")
    made.add_argument(
        "--seconds", type=float, help=f"of speech that is decoded with random weights; {SPOKEN:g} if left out"
    )
    made.add_argument(
        "--dtype",
        default="float32",
        choices=["float32", "bfloat16", "float16"],
        help="of the weights, and of what is multiplied by them",
    )
    add_quantize(made)
    made.add_argument("--width", type=int, help="rows fed a step; chosen by the engine if left out")
    add_choice(made, "decoder", "nucleus", "decoders")
    add_common(made)
    made.add_argument("--ar", type=Path, help="folder of a trained AR model; it needs --data and --tokens too")
    made.add_argument("--data", type=Path, help="with --ar: tokenised test set")
    made.add_argument("--tokens", type=Path, help="with --ar: folder of the token list")
    add_which(made)
    add_options(made)
    options = parse(made, argv)
    check_counts(options, "batch", "repeats", "width", "limit")
    check_seconds(options, "seconds", "prompt_seconds")
    if options.ar is None:
        given = next((name for name in OF_TRAINED if getattr(options, name) is not None), None)
        if given:
            raise UserError(f"{option_of(given)} is of a trained model: give --ar too, or leave it out")
    else:
        given = next((name for name in OF_RANDOM if getattr(options, name) not in (None, {})), None)
        if given:
            raise UserError(f"{option_of(given)} is of random weights: leave it out, or leave out --ar")
        if options.data is None or options.tokens is None:
            raise UserError("--ar needs --data and --tokens: the test set, and the token list of its training")
    return options
