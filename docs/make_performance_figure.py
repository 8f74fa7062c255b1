"""Make docs/performance.png: real-time factor against batch, and the cost of a step against the length of the speech.

ellav bench decode --preset mini --batch 1 2 4 8 16 32 --quantize int8 --json > batch.json
python test/bench/length.py --preset paper --seconds 60 --json > length.json
python docs/make_performance_figure.py batch.json length.json docs/performance.png
"""

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt


def main(batch: str, length: str, out: str) -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6), dpi=110)
    by_batch(left, json.loads(Path(batch).read_text()))
    by_length(right, json.loads(Path(length).read_text()))
    figure.tight_layout()
    figure.savefig(out)


def by_batch(axes, measured: dict) -> None:
    """A line for each of what was measured at several batch sizes."""
    rows = [row for row in measured["rows"] if row.get("real_time_factor")]
    for name in dict.fromkeys(row["name"] for row in rows):
        own = [row for row in rows if row["name"] == name]
        dashed = "--" if "reference" in name else "-"
        axes.plot(
            [row["batch"] for row in own], [row["real_time_factor"] for row in own], dashed, marker="o", label=name
        )
    axes.set(xscale="log", yscale="log", xlabel="utterances decoded together", ylabel="real-time factor")
    axes.set_xticks([row["batch"] for row in own], [str(row["batch"]) for row in own])
    axes.set_title(f"{measured['preset']}, {measured['processor']}, {measured['threads']} threads", fontsize=9)
    axes.legend(fontsize=7)


def by_length(axes, measured: dict) -> None:
    """Milliseconds of a step, and what reading weights and cache would take."""
    rows = measured["rows"]
    for key, label in (
        ("ms", "a step of the engine"),
        ("model", "the first, and what must be read since"),
        ("floor", "floor"),
    ):
        axes.plot([row["seconds"] for row in rows], [row[key] for row in rows], marker="o", label=label)
    axes.set(xlabel="seconds of speech so far", ylabel="ms", ylim=(0, None))
    axes.set_title(f"{measured['preset']}, one utterance, {measured['bandwidth'] / 1e9:.0f} GB/s read", fontsize=9)
    axes.legend(fontsize=7)


if __name__ == "__main__":
    main(*sys.argv[1:])
