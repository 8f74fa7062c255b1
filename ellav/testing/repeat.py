"""What a repeated recipe makes again bit for bit, and what in its files is a timing.

A recipe with the same options, seed, number of threads and `dtype` makes the same bytes,
however often it is killed and started again. Timings are left out of the comparison, and
this is all of them:

- values under the names of TIMINGS, and under names with `_per_s` in them, wherever they stand
  in a JSON file;
- the column `seconds` of losses.tsv, and its lines of speed;
- RESULTS.md and report.html, which are made of results.json;
- tensorboard/, whose events bear the time of day, and state.pt, which holds the seconds of
  training beside the weights of last.safetensors.

With `max_minutes`, or `dtype: auto` in two separate runs, training itself follows the clock.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

TIMINGS = {
    "seconds",
    "ar_seconds",
    "nar_seconds",
    "codec_seconds",
    "share_of_a_step_for_reading_weights_batch_1",
    "rtf",
    "date",
}
LEFT_OUT = {"RESULTS.md", "report.html", "state.pt", "tensorboard"}


def checksums(folder: Path | str) -> dict[str, str]:
    """Path below `folder` -> hash of each file's content without timings.

    The folder's own path is left out of the contents as well, so that two may be compared.
    """
    folder = Path(folder)
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not LEFT_OUT & set(name.parts):
            content = timeless(path).replace(str(folder).encode(), b".")
            found[str(name)] = hashlib.sha256(content).hexdigest()
    return found


def timeless(path: Path) -> bytes:
    """A file's content without timings."""
    if path.suffix in (".json", ".jsonl"):
        text = path.read_text(encoding="utf-8")
        values = [json.loads(text)] if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]
        return json.dumps(_without_timings(values)).encode()
    if path.name == "losses.tsv":
        rows = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()]
        return "".join("\t".join((step, *rest)) + "\n" for step, _, *rest in rows if "_per_s" not in rest[0]).encode()
    return path.read_bytes()


def _without_timings(value):
    if isinstance(value, dict):
        kept = {name: item for name, item in value.items() if name not in TIMINGS and "_per_s" not in name}
        return {name: _without_timings(item) for name, item in kept.items()}
    return [_without_timings(item) for item in value] if isinstance(value, list) else value
