"""What a step of decoding costs as the speech grows longer, beside reading the weights and the cache.

    python test/bench/length.py --preset paper --seconds 60

One utterance is decoded on random weights; what ends a phone or a sentence is held back. ms a step: the mean over the
steps up to these seconds of speech, from the row above on. floor: of reading all weights, and keys and values as they
are there, at the bandwidth of the memory. model: the first row's time, and the floor that has come on top of it since.
"""

from __future__ import annotations

import argparse
import json
import time

import numpy as np
import torch

from ellav.bench.decode import held_back
from ellav.bench.floors import decoding_bytes, output_weights
from ellav.bench.presets import codes_of, random_model
from ellav.bench.speech import PHONES, generated, request_of
from ellav.infer.engine import Engine
from ellav.models.limits import reading_bandwidth
from ellav.plugins.decoders import decoders
from ellav.score.results import markdown

PROMPT = 3.0
"""Seconds."""


def main() -> None:
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--preset", default="mini")
    made.add_argument("--ordering", default="interleaved")
    made.add_argument("--quantize", default="none", choices=["none", "int8"])
    made.add_argument("--seconds", type=float, default=60.0)
    made.add_argument("--every", type=float, default=10.0, help="seconds of speech of a row of the table")
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--json", action="store_true")
    options = made.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    codes = codes_of(options.preset)
    model, ordering, _ = random_model("ar", options.preset, options.ordering, {}, {})
    engine = Engine(model, ordering, decoders.create("nucleus"), 1, quantize=options.quantize)
    bandwidth = reading_bandwidth(engine.device)
    rng = np.random.default_rng(0)
    prompt, target = (
        generated(rng, "utterance", round(seconds * codes.frame_rate), len(PHONES), codes)
        for seconds in (PROMPT, options.seconds)
    )
    script = held_back(ordering, request_of(prompt, target))
    seconds = step_seconds(engine, script)
    parts = round(options.seconds / options.every)
    rows = []
    for number, part in enumerate(np.array_split(np.array(seconds), parts), 1):
        steps = len(seconds) * number // parts
        read = [
            decoding_bytes(
                model.options,
                output_weights(model),
                1 if options.quantize == "int8" else engine.network.dtype.itemsize,
                engine.network.cache_dtype.itemsize,
                count,
                [(len(script.prefix), count)],
            )
            for count in (steps - len(part), steps)
        ]
        floor = (read[1] - read[0]) / len(part) / bandwidth
        rows.append({"seconds": number * options.every, "ms": 1000 * float(np.mean(part)), "floor": 1000 * floor})
        rows[-1]["model"] = rows[0]["ms"] + rows[-1]["floor"] - rows[0]["floor"]
    if options.json:
        print(json.dumps({"preset": options.preset, "bandwidth": bandwidth, "steps": len(seconds), "rows": rows}))
        return
    print(f"{options.preset}, {options.ordering}: {len(seconds)} steps; {bandwidth / 1e9:.1f} GB/s read\n")
    cells = [[f"{row['seconds']:g}", *(f"{row[key]:.2f}" for key in ("ms", "floor", "model"))] for row in rows]
    print(markdown(["seconds of speech", "ms a step", "floor", "model"], cells))


def step_seconds(engine: Engine, script) -> list[float]:
    """Of each step after the prefix and the first rows, which warm up what is slow the first time."""
    session, made = engine.open(1), []
    session.add("utterance", script, 0)
    while session.busy:
        began = time.perf_counter()
        session.step()
        made.append(time.perf_counter() - began)
        session.take()
    return made[8:]


if __name__ == "__main__":
    main()
