"""How fast the AR model decodes, beside what reading its weights alone would take."""

from __future__ import annotations

import time

from ellav.infer.engine import Engine
from ellav.models.limits import reading_bandwidth
from ellav.types import DecodingScript


def measure_decoding(engine: Engine, scripts: list[DecodingScript], batches: tuple[int, ...] = (1, 32)) -> dict:
    """Decode twice as many scripts as each batch size, at least 3; plain figures for results.

    For each batch size: forwards (steps) and rows (tokens) a second. For one utterance at a
    time also the share of a step that reading every weight once from memory would take at
    the measured bandwidth, the floor of any decoder that batches nothing.
    """
    weights = sum(p.numel() * p.element_size() for p in engine.model.parameters())
    bandwidth = reading_bandwidth(engine.device)
    figures: dict = {"weights_mib": round(weights / 2**20, 2), "memory_reading_gb_per_s": round(bandwidth / 1e9, 1)}
    for batch in batches:
        chosen = scripts[: max(3, 2 * batch)]
        names = [str(i) for i in range(len(chosen))]
        alone = Engine(engine.model, engine.ordering, engine.decoder, batch, engine.width, engine.quantize)
        alone.decode(names[:1], chosen[:1])
        warm = alone.forwards
        began = time.perf_counter()
        made = alone.decode(names, chosen)
        seconds = time.perf_counter() - began
        steps = (alone.forwards - warm) / seconds
        figures[f"ar_steps_per_s_batch_{batch}"] = round(steps, 1)
        figures[f"ar_tokens_per_s_batch_{batch}"] = round(sum(d.steps for d in made) / seconds, 1)
        if batch == 1:
            figures["share_of_a_step_for_reading_weights_batch_1"] = round(weights / bandwidth * steps, 3)
    return figures
