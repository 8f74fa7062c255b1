"""The engine beside a textbook Transformer, in one run, on random weights; nothing ends before its rows are decoded.

    python test/bench/decoding.py --preset mini --batch 1 32 --dtype float32 --quantize none int8
    python test/bench/decoding.py --preset paper --batch 1 --rows 100

Columns: what decodes, batch, seconds, milliseconds for a row of every sequence, rows a second, and how many times as
long it took as its floor: reading weights and cache once a step at the measured bandwidth. Each is the fastest of
--repeats.
"""

from __future__ import annotations

import argparse
import dataclasses
import time

import numpy as np
import torch
from reference import Reference

from ellav.infer.engine import Engine
from ellav.infer.speed import reading_bandwidth
from ellav.models.ar import ARModel
from ellav.models.options import ModelOptions
from ellav.plugins.decoders import decoders
from ellav.plugins.orderings import orderings
from ellav.testing.ordering import PHONES, random_utterance, request_at

PRESETS = {
    "tiny": {"layers": 2, "width": 32, "heads": 2, "ffn": 64},
    "mini": {"layers": 4, "width": 256, "heads": 4, "ffn": 1024},
    "paper": {"layers": 12, "width": 1024, "heads": 16, "ffn": 4096},
}
SIZE = 1024
"""Entries of a codebook."""


def main(argv: list[str] | None = None) -> list[dict]:
    """Measure and print a table; returns its rows."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--preset", choices=list(PRESETS), default="mini")
    made.add_argument("--batch", type=int, nargs="+", default=[1, 32])
    made.add_argument("--prefix", type=int, default=200, help="rows of text and prompt")
    made.add_argument("--rows", type=int, default=300, help="rows to decode")
    made.add_argument(
        "--dtype", nargs="+", default=["float32"], help="of the reference; the engine's is float32 on a CPU"
    )
    made.add_argument("--quantize", nargs="+", default=["none", "int8"], choices=["none", "int8"])
    made.add_argument("--kv-heads", type=int, help="heads of keys and values of the engine's model")
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--device", default="cpu")
    options = made.parse_args(argv)
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)

    size = ModelOptions(**PRESETS[options.preset])
    ordering = orderings.create("concat")
    ordering.bind(PHONES, SIZE)
    grouped = dataclasses.replace(size, kv_heads=options.kv_heads)
    model = ARModel.of(ordering, grouped).to(options.device)
    bandwidth = reading_bandwidth(torch.device(options.device))
    print(f"{options.preset}: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters, {options.device}, ")
    print(f"{options.threads} threads, {bandwidth / 1e9:.1f} GB/s read; prefix {options.prefix}, {options.rows} rows")
    print("| | batch | seconds | ms a row | rows a second | times the floor |\n|---|---|---|---|---|---|")
    table = []
    for batch in options.batch:
        for dtype in options.dtype:
            reference = Reference(size, ordering.vocabulary.size).to(options.device, getattr(torch, dtype)).eval()
            prefix = torch.randint(SIZE, (batch, options.prefix), device=options.device)
            seconds = fastest(options, lambda r=reference, p=prefix: r.generate(p, options.rows))
            floor = floor_of(options, size, batch, getattr(torch, dtype).itemsize) / bandwidth
            table.append(row(f"reference, {dtype}", batch, seconds, options.rows, floor))
            del reference
        scripts = [script_of(ordering, options, seed) for seed in range(batch)]
        names = [str(i) for i in range(batch)]
        for quantize in options.quantize:
            engine = Engine(model, ordering, decoders.create("nucleus"), batch, quantize=quantize)
            seconds = fastest(options, lambda e=engine, n=names, s=scripts: e.decode(n, s))
            floor = floor_of(options, grouped, batch, 1 if quantize == "int8" else 4) / bandwidth
            name = "engine, int8" if quantize == "int8" else "engine, float32"
            table.append(row(name, batch, seconds, options.rows, floor))
    return table


def script_of(ordering, options, seed: int):
    """A script of `rows` rows, no fewer and no more, after a prefix of about the length that was asked for."""
    utterance = random_utterance(np.random.default_rng(seed), SIZE, 1)
    script = ordering.script(request_at(utterance, 0))
    codes = np.random.default_rng(seed).integers(0, SIZE, (max(0, options.prefix - len(script.prefix)), 1))
    first = ordering.vocabulary.start("codes")
    prefix = np.concatenate([script.prefix, codes + first]).astype(np.int32)
    count = np.full(len(script.state), options.rows)
    return dataclasses.replace(
        script,
        prefix=prefix,
        positions=np.arange(len(prefix), dtype=np.int32),
        next_position=len(prefix),
        count=0,
        least=count,
        most=count,
    )


def floor_of(options, size: ModelOptions, batch: int, width: int) -> float:
    """Bytes that a decode must read: all weights of the blocks and the output once a step, the cache as it grows."""
    share = size.groups / size.heads
    weights = size.layers * ((2 + 2 * share) * size.width**2 + 2 * size.width * size.ffn) + (SIZE + 100) * size.width
    lengths = options.prefix + options.rows / 2
    cache = batch * size.layers * 2 * lengths * size.width * share * (2 if width == 2 else 4)
    return options.rows * (weights * width + cache)


def fastest(options, work) -> float:
    """Seconds of the fastest of several runs, the first of which does not count."""
    times = []
    for _ in range(options.repeats + 1):
        began = time.perf_counter()
        work()
        if options.device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return min(times[1:])


def row(name: str, batch: int, seconds: float, rows: int, floor: float) -> dict:
    """Print and return a row of the table."""
    figures = (1000 * seconds / rows, batch * rows / seconds, seconds / floor)
    print(f"| {name} | {batch} | {seconds:.2f} | {figures[0]:.2f} | {figures[1]:.0f} | {figures[2]:.1f} |", flush=True)
    return {"name": name, "batch": batch, "seconds": seconds, "floor": floor}


if __name__ == "__main__":
    main()
