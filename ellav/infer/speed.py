"""How fast the AR model decodes, beside what reading its weights alone would take."""

from __future__ import annotations

import time

import torch

from ellav.infer.engine import Engine
from ellav.types import DecodingScript


def measure_decoding(engine: Engine, scripts: list[DecodingScript], batches: tuple[int, ...] = (1, 32)) -> dict:
    """Decode the scripts with each batch size; plain figures for results and `ellav bench`.

    For each batch size: steps and rows (tokens) a second. For single decoding also
    `reading_share`: the share of a step's time that reading every weight once from memory
    would take at the measured bandwidth, the floor of any decoder that batches nothing.
    """
    weights = sum(p.numel() * p.element_size() for p in engine.model.parameters())
    bandwidth = reading_bandwidth(engine.device)
    result = {
        "device": str(engine.device),
        "threads": torch.get_num_threads(),
        "weights_mib": round(weights / 2**20, 2),
        "reading_gb_per_s": round(bandwidth / 1e9, 2),
        "batches": {},
    }
    for batch in batches:
        chosen = scripts[: max(2, batch)] if batch == 1 else scripts[:batch]
        alone = Engine(engine.model, engine.ordering, engine.decoder, batch, engine.width)
        names = [str(i) for i in range(len(chosen))]
        alone.decode(names[:1], chosen[:1])
        warm = alone.forwards
        began = time.perf_counter()
        made = alone.decode(names, chosen)
        if engine.device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - began
        rows = sum(decoded.steps for decoded in made)
        steps = (alone.forwards - warm) / seconds
        figures = {"sequences": len(chosen), "steps_per_s": round(steps, 1), "rows_per_s": round(rows / seconds, 1)}
        if batch == 1:
            figures["reading_share"] = round(weights / bandwidth * steps, 3)
        result["batches"][str(batch)] = figures
    return result


def reading_bandwidth(device: torch.device, size: int = 2**28, repeats: int = 5) -> float:
    """Bytes a second at which a large tensor is read (the best of a few sums)."""
    block = torch.ones(size // 4, device=device)
    best = float("inf")
    for _ in range(repeats):
        began = time.perf_counter()
        block.sum().item()
        best = min(best, time.perf_counter() - began)
    return size / best
