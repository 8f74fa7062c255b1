"""In which type of numbers a machine decodes fastest: measured once, and remembered."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import torch

from ellav import machine
from ellav.data.outputs import write_text
from ellav.errors import UserError
from ellav.models.device import wait_for
from ellav.models.limits import multiplies_bfloat16
from ellav.models.options import ModelOptions
from ellav.models.products import Product

DTYPES = ("auto", "float32", "bfloat16")
"""What may be asked for."""

GAIN = 1.2
"""How many times as fast bfloat16 has to be to be taken: it rounds, so another machine might say another thing."""

REPEATS = 5


def decoding_dtype(wanted: str, device: torch.device, options: ModelOptions) -> torch.dtype:
    """The type of weights and products: `wanted`, or for "auto" bfloat16 where it is faster by GAIN, else float32.

    On a GPU, auto is bfloat16 where the GPU has it. On a CPU the products of one row with the weights of all blocks are
    measured, once for a processor, a number of threads, a version of torch and a size of model; `speeds_file` keeps
    what came of it. Raises UserError for another name.
    """
    if wanted not in DTYPES:
        raise UserError(f"dtype {wanted!r}: one of {', '.join(DTYPES)} is meant")
    if wanted != "auto":
        return getattr(torch, wanted)
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type != "cpu" or not multiplies_bfloat16():
        return torch.float32
    seconds = remembered_seconds(options)
    return torch.bfloat16 if seconds["float32"] > GAIN * seconds["bfloat16"] else torch.float32


def speeds_file() -> Path:
    """Where what was measured is kept: `ellav/speeds.json` in the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ellav/speeds.json"


def remembered_seconds(options: ModelOptions) -> dict[str, float]:
    """Seconds of a step's products in float32 and in bfloat16, as the file has them, else measured and put there.

    A file that cannot be read or written is done without.
    """
    path = speeds_file()
    where = f"{machine.processor()[0]}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    size = f"{options.layers} x {options.width} x {options.ffn}"
    try:
        known = json.loads(path.read_text())
        found = known[where][size]
        return {name: float(found[name]) for name in DTYPES[1:]}
    except (OSError, ValueError, KeyError, TypeError):
        pass
    seconds = {name: product_seconds(options, getattr(torch, name)) for name in DTYPES[1:]}
    try:
        known = json.loads(path.read_text())
        known = known if isinstance(known, dict) else {}
    except (OSError, ValueError):
        known = {}
    of_machine = known.get(where)
    known[where] = {**(of_machine if isinstance(of_machine, dict) else {}), size: seconds}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(known, indent=1))
    except OSError:
        pass
    return seconds


def product_seconds(options: ModelOptions, dtype: torch.dtype) -> float:
    """Seconds in which one row is multiplied by the weights of a network's blocks, each its own (the best of a few)."""
    shape = options.ffn, options.width
    layers = [Product(torch.zeros(shape), None, dtype) for _ in range(options.layers)]
    row, best = torch.zeros(1, options.width, dtype=dtype), float("inf")
    for _ in range(REPEATS):
        wait_for(row.device)
        began = time.perf_counter()
        for layer in layers:
            layer(row)
        best = min(best, time.perf_counter() - began)
    return best
