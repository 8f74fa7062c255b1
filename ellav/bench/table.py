"""What was measured, as a table whose rows come as they are made, or as one JSON object."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterable

import torch

from ellav import machine
from ellav.version import __version__

TITLES = {
    "batch": ("batch", "{}"),
    "steps_per_second": ("steps/s", "{:.4g}"),
    "tokens_per_second": ("tokens/s", "{:.0f}"),
    "speech_seconds_per_second": ("speech s/s", "{:.4g}"),
    "first_audio_ms": ("first audio ms", "{:.0f}"),
    "real_time_factor": ("real-time factor", "{:.3g}"),
    "times_floor": ("times floor", "{:.3g}"),
    "model_flops_utilisation": ("MFU", "{:.1%}"),
    "dtype": ("dtype", "{}"),
    "peak_memory_mib": ("peak MiB", "{:.0f}"),
    "peak_gpu_memory_mib": ("GPU peak MiB", "{:.0f}"),
}
"""Figure -> its title, and how it is written."""

OF_NAME, OF_FIGURE = 20, 9
"""Characters of a column, at least."""


def about(bench: str, device: torch.device, **more) -> dict:
    """What stands above the rows: what was measured, where, and by which versions."""
    on_gpu = device.type == "cuda"
    return {
        "bench": bench,
        **more,
        "device": str(device),
        "processor": torch.cuda.get_device_name(device) if on_gpu else machine.processor()[0],
        "threads": torch.get_num_threads(),
        "versions": {"ellav": __version__, "torch": torch.__version__},
    }


def show(head: dict, said: str, rows: Iterable[dict], columns: Iterable[str], as_json: bool) -> None:
    """Print `head` and rows as one JSON object; or a line with `said` and where it was measured, and the columns, row
    by row. Whatever else is said meanwhile goes to stderr."""
    out = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        if as_json:
            print(json.dumps({**head, "rows": list(rows)}, indent=1), file=out)
            return
        columns = [name for name in columns if name != "peak_gpu_memory_mib" or head["device"].startswith("cuda")]
        widths = [max(OF_FIGURE, len(TITLES[name][0])) for name in columns]
        for number, row in enumerate(rows):
            if number == 0:  # what cannot be measured at all is told by its error alone
                where = f"{head['device']}, {head['processor']}, {head['threads']} threads"
                print(f"{said}; {where}, torch {head['versions']['torch']}", file=out)
                _print_line("", [TITLES[name][0] for name in columns], widths, out)
            cells = ["" if row.get(name) is None else TITLES[name][1].format(row[name]) for name in columns]
            _print_line(row["name"], cells, widths, out)


def _print_line(name: str, cells: list[str], widths: list[int], out) -> None:
    line = "  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True))
    print(f"{name:<{OF_NAME}}  {line}", file=out, flush=True)
