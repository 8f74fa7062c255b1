"""RESULTS.md: an experiment's figures as a person reads them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from ellav.data.outputs import write_text
from ellav.errors import UserError
from ellav.score.results import figure, markdown, number

LABELS = {
    "recorded": "recorded",
    "resynthesis": "codec resynthesis",
    "synthesized": "**synthesized**",
    "shuffled": "control: another text",
    "silence": "control: silence",
    "other_reader": "control: another reader",
}
CONTROLS = {
    "shuffled": "the synthesized speech, judged by another utterance's words",
    "silence": "as long as the synthesized speech",
    "other_reader": "a recording of another speaker of the set, judged by this utterance's prompt and speaker: "
    "what a figure about the voice means nothing at",
}
"""Rows that show what a figure is worth -> what was judged."""
CONTINUATION = (
    "The beginning of each recording was given with its whole text. Words are counted in the whole utterance, "
    "the given beginning included; `similarity` and `own_first` judge what follows it, `similarity` against the "
    "recorded beginning.\n\n"
)
PROMISE = "Values with their 95 % intervals by bootstrap over utterances (1000 resamples)."


def write_results(folder: Path, results: dict, beside: list[dict]) -> None:
    """Write `results.json` and `RESULTS.md`; beside: results of other experiments to show in its tables.

    Where nothing but the date is new, the file keeps it, so that what is made of it is not made again.
    """
    path = folder / "results.json"
    results = json.loads(json.dumps(results))
    before = read_results(folder) if path.exists() else None
    if before is not None and _undated(before) == _undated(results):
        results = before
    else:
        write_text(path, json.dumps(results, indent=1, ensure_ascii=False) + "\n")
    write_text(folder / "RESULTS.md", render(results, beside))


def _undated(results: dict) -> dict:
    return {**results, "environment": {**results["environment"], "date": ""}}


def read_results(folder: Path) -> dict:
    """The `results.json` of an experiment; raises UserError where it has not been scored."""
    try:
        return json.loads((folder / "results.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{folder}/results.json: not there; run stage 9 (score) of that experiment first") from None
    except ValueError:
        raise UserError(f"{folder}/results.json: not readable; run stage 9 (score) of that experiment again") from None


def render(results: dict, beside: list[dict]) -> str:
    """The Markdown text of an experiment, with the synthesized speech of others beside its own."""
    where = results["environment"]
    versions = ", ".join(f"{name} {version}" for name, version in where["versions"].items())
    parts = [
        f"# Results of `{results['tag']}`\n",
        f"- {where['date']}, commit {where['git']}\n- {where['cpu']}, {where['system']}\n- {versions}\n",
        f"- Command: `{results['command']}`\n\n{PROMISE}\n",
    ]
    for table in set_tables(results, beside):
        title = f"{table.name}: {table.utterances} utterances"
        parts.append(f"\n## {title}\n\n{table.note}{markdown(table.header, table.rows)}")
    parts.append("\n" + "".join(f"- `{name}`: {meaning}\n" for name, meaning in results["metrics"].items()))
    parts += [f"- {label}: {meaning}\n" for label, meaning in controls(results)]
    header, rows = training_table([results, *beside])
    if rows:
        parts.append(f"\n## Speed and training\n\n{markdown(header, rows)}")
    return "".join(parts)


def controls(results: dict) -> list[tuple[str, str]]:
    """Label and meaning of the controls that stand in any table of an experiment."""
    sets = [*results["sets"].values(), *results.get("continuation", {}).get("sets", {}).values()]
    return [(LABELS[row], meaning) for row, meaning in CONTROLS.items() if any(row in rows for rows in sets)]


class SetTable(NamedTuple):
    """Figures of a test set. note: how to read them. Bold labels stand in `**`."""

    name: str
    utterances: int
    note: str
    header: list[str]
    rows: list[list[str]]


def set_tables(results: dict, beside: list[dict]) -> list[SetTable]:
    """A table of each test set, and then of each that was continued from its own beginning."""
    none = {"sets": {}, "utterances": {}}
    kinds = (("", "", lambda one: one), (", continuation", CONTINUATION, lambda one: one.get("continuation", none)))
    return [
        SetTable(
            name + suffix,
            of(results)["utterances"][name],
            "" if number else note,
            *_set_table(results, rows, [(other["tag"], of(other)["sets"].get(name, {})) for other in beside]),
        )
        for suffix, note, of in kinds
        for number, (name, rows) in enumerate(of(results)["sets"].items())
    ]


def _set_table(results: dict, rows: dict, beside: list[tuple[str, dict]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows. beside: tag and rows of other experiments."""
    metrics = [metric for metric in results["metrics"] if any(metric in row for row in rows.values())]
    table = []
    for row in LABELS:
        if row in rows:
            label = f"**{results['tag']}**" if row == "synthesized" and beside else LABELS[row]
            table.append([label, *(figure(rows[row].get(metric)) for metric in metrics)])
        if row == "synthesized":
            for tag, others in beside:
                made = others.get(row, {})
                table.append([f"**{tag}**", *(figure(made.get(metric)) for metric in metrics)])
    return ["speech", *metrics], table


def training_table(experiments: list[dict]) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a column for each model of each experiment, a row for each figure in their summaries."""
    columns = {
        f"{results['tag']} {model}": summary
        for results in experiments
        for model, summary in results["summaries"].items()
        if summary
    }
    keys = list(dict.fromkeys(key for summary in columns.values() for key in summary))
    keys = [key for key in keys if not any(isinstance(summary.get(key), (dict, list)) for summary in columns.values())]
    rows = [[key.replace("_", " "), *(number(c[key]) if key in c else "–" for c in columns.values())] for key in keys]
    return ["", *columns], rows
