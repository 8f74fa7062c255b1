"""Training curves: from losses.tsv to inline SVG."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np

from ellav.errors import UserError
from ellav.score.results import number

WIDTH, HEIGHT = 380, 230
LEFT, RIGHT, TOP, BOTTOM = 48, 12, 12, 34
MOST_POINTS = 400
"""Of one line; longer ones are averaged over neighbours, to keep the page small."""
COLOURS = 8


@dataclass(frozen=True)
class Line:
    """One curve. points: (n, 2) of steps and values. held_out: on the validation set."""

    series: str
    held_out: bool
    points: np.ndarray


def read_log(path: Path) -> dict[str, np.ndarray]:
    """Name -> (n, 2) of steps and values, of a losses.tsv; rows without a number are left out.

    Raises UserError naming the line that is not as the trainer writes them.
    """
    found: dict[str, list[tuple[int, float]]] = {}
    for count, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True)[1:], 2):
        if not line.endswith("\n"):  # it is still being written
            break
        try:
            step, _, name, value = line.split("\t")
            row = (int(step), float(value))
        except ValueError:
            raise UserError(f"{path}:{count}: not `step seconds name value`; rerun the training stage") from None
        if math.isfinite(row[1]):
            found.setdefault(name, []).append(row)
    return {name: np.array(rows, dtype=float) for name, rows in found.items()}


def charts(log: dict[str, np.ndarray], model: str) -> str:
    """The charts of loss, accuracy and speed that the log has figures for, as HTML figures."""
    drawn = []
    for title, unit, wanted in (
        ("Loss", "nats per token", lambda name: name == "loss"),
        ("Accuracy", "%", lambda name: name.startswith("top10/") or name == "trigger"),
        ("Speed", "tokens per second", lambda name: name == "tokens_per_second"),
    ):
        lines = _lines(log, wanted, 100.0 if unit == "%" else 1.0)
        if lines:
            drawn.append(chart(f"{model}: {title.lower()}", title, unit, lines, from_zero=title != "Loss"))
    return f'<div class="charts">{"".join(drawn)}</div>' if drawn else ""


def chart(name: str, title: str, unit: str, lines: list[Line], from_zero: bool = False) -> str:
    """An HTML figure with one SVG. name: for those who hear it. unit: of the values."""
    points = np.concatenate([line.points for line in lines])
    x_ticks = ticks(0.0, points[:, 0].max(), 4)
    low, high = points[:, 1].min(), points[:, 1].max()
    y_ticks = ticks(0.0 if from_zero or low < 0.4 * high else low, high, 5)
    right = max(points[:, 0].max(), 1.0)
    bottom, top = y_ticks[0], max(y_ticks[-1], high)

    def place(points: np.ndarray) -> np.ndarray:
        x = LEFT + points[:, 0] / right * (WIDTH - LEFT - RIGHT)
        y = HEIGHT - BOTTOM - (points[:, 1] - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)
        return np.stack([x, y], axis=1)

    parts = []
    for value in y_ticks:
        ((_, y),) = place(np.array([[0.0, value]]))
        parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{number(value)}</text>')
    for value in x_ticks:
        if value <= right:
            ((x, _),) = place(np.array([[value, bottom]]))
            parts.append(f'<text x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{number(value)}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end">steps</text>')
    series = list(dict.fromkeys(line.series for line in lines))
    for line in sorted(lines, key=lambda line: line.held_out):
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in place(thin_out(line.points)))
        kind = "held-out" if line.held_out else "trained-on"
        parts.append(f'<path class="curve {kind} c{series.index(line.series) % COLOURS}" d="M{path}"/>')
    said = "; ".join(
        f"{line.series or title} {'validation' if line.held_out else 'training'} "
        f"from {number(float(line.points[0, 1]))} to {number(float(line.points[-1, 1]))}"
        for line in lines
    )
    return (
        f'<figure class="chart"><figcaption>{escape(title)} <small>{escape(unit)}</small></figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(f"{name}, {unit}, over steps: {said}")}">'
        f"{''.join(parts)}</svg>{_legend(lines, series)}</figure>"
    )


def ticks(low: float, high: float, count: int) -> list[float]:
    """About `count` round numbers from at most `low` to at least `high`."""
    span = high - low or abs(high) or 1.0
    unit = 10 ** math.floor(math.log10(span / count))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor * count >= span * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def thin_out(points: np.ndarray, most: int = MOST_POINTS) -> np.ndarray:
    """(at most `most`, 2): means of neighbours; the first and the last point stay as they are."""
    if len(points) <= most:
        return points
    inner = np.array([part.mean(axis=0) for part in np.array_split(points[1:-1], most - 2)])
    return np.concatenate([points[:1], inner, points[-1:]])


def _lines(log: dict[str, np.ndarray], wanted: Callable[[str], bool], factor: float) -> list[Line]:
    lines = []
    for name, points in log.items():
        part, _, rest = name.partition("/")
        if part in ("train", "valid") and wanted(rest):
            lines.append(Line(_series(rest), part == "valid", points * [1.0, factor]))
    return lines


def _series(name: str) -> str:
    """`top10/codebook2` -> `codebook 2, top 10`; nothing for what the title says already."""
    first, _, last = name.partition("/")
    if first == "top10":
        word = last.rstrip("0123456789")
        return f"{word} {last[len(word) :]}, top 10"
    return {"trigger": "end of phone"}.get(first, "")


def _legend(lines: list[Line], series: list[str]) -> str:
    entries = [
        f'<li><span class="swatch c{i % COLOURS}"></span>{escape(name)}</li>' for i, name in enumerate(series) if name
    ]
    kinds = {line.held_out for line in lines}
    if len(kinds) == 2:
        entries.append('<li class="key"><b class="thin"></b>training <b class="thick"></b>validation</li>')
    return f'<ul class="legend">{"".join(entries)}</ul>' if entries else ""
