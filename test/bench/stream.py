"""How soon a stream is heard, whether it keeps up, and where each window's time goes.

    python test/bench/stream.py --text "The old sailor bought three green boats." --repeats 3

The model and the prompt are ready beforehand, and something else has been said. Of each piece of audio: when it came,
how long it lasts, the milliseconds that AR model, NAR model and codec took for it, and how much audio was still unheard
when it came, if playing began with the first piece: a negative number is a gap. The repeat whose last piece came
first is shown.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch

from ellav.infer.session import Session
from ellav.infer.stream import Windows
from ellav.infer.synthesizer import Synthesizer

TEXT = "The old sailor bought three green boats, and the queen bought four more. Then they sailed away."


def main(argv: list[str] | None = None) -> list[dict]:
    """Measure and print a table; returns its rows."""
    made = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--model", type=Path, default="mini", help="a packed model, or the name of one")
    made.add_argument("--text", default=TEXT)
    made.add_argument("--repeats", type=int, default=3)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--device", default="cpu")
    made.add_argument("--quantize", default="none", choices=["none", "int8"])
    for name, value in vars(Windows()).items():
        made.add_argument(f"--{name}", type=float, default=value, help="seconds, see ellav.infer.stream.Windows")
    options = made.parse_args(argv)
    torch.set_num_threads(options.threads)
    voice = Synthesizer(options.model, device=options.device, quantize=options.quantize)
    windows = Windows(options.first, options.hop, options.context, options.ahead)
    for _ in voice.stream("Something else, before it counts."):
        pass
    table = min((measure(voice, options.text, windows) for _ in range(options.repeats)), key=lambda t: t[-1]["at"])
    print(
        "| piece | came after ms | lasts ms | AR ms | NAR ms | codec ms | unheard ms |\n|---|---|---|---|---|---|---|"
    )
    for number, row in enumerate(table, 1):
        print(f"| {number} | " + " | ".join(f"{1000 * value:.0f}" for value in row.values()) + " |")
    whole = sum(row["lasts"] for row in table)
    print(f"first audio after {1000 * table[0]['at']:.0f} ms, real-time factor {table[-1]['at'] / whole:.3f}")
    return table


def measure(voice: Synthesizer, text: str, windows: Windows) -> list[dict]:
    """Of each piece the seconds: at, lasts, ar, nar, codec, unheard."""
    spent = dict.fromkeys(("ar", "nar", "codec"), 0.0)
    places = [(Session, "step", "ar"), (voice.pipeline.nar, "complete", "nar"), (voice.pipeline, "sound", "codec")]
    kept = [getattr(owner, name) for owner, name, _ in places]
    for (owner, name, part), work in zip(places, kept, strict=True):
        setattr(owner, name, timed(work, part, spent))
    try:
        began, heard_until, table = time.perf_counter(), None, []
        for piece in voice.stream(text, windows=windows):
            at, lasts = time.perf_counter() - began, len(piece) / voice.codec.sample_rate
            unheard = 0.0 if heard_until is None else heard_until - at
            heard_until = max(heard_until or 0.0, at) + lasts
            table.append({"at": at, "lasts": lasts, **spent, "unheard": unheard})
            spent.update(dict.fromkeys(spent, 0.0))
            began += time.perf_counter() - began - at
        return table
    finally:
        for (owner, name, _), work in zip(places, kept, strict=True):
            setattr(owner, name, work)


def timed(work, part: str, spent: dict):
    """`work`, whose seconds are added to `spent`."""

    def call(*arguments):
        began = time.perf_counter()
        try:
            return work(*arguments)
        finally:
            spent[part] += time.perf_counter() - began

    return call


if __name__ == "__main__":
    main()
