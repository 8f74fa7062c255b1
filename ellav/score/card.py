"""The model card: README.md of a packed model, from what is known about it."""

from __future__ import annotations

import json
import re
import shlex
from html import escape
from pathlib import Path

from ellav.config import yaml_text
from ellav.errors import UserError
from ellav.infer.bundle import MOST
from ellav.infer.packing import Recording
from ellav.plugins.registry import is_outside
from ellav.score.results import figure, markdown, number

MARKUP = re.compile(r"[\\`*_\[\]]")
"""What Markdown would read as emphasis, code, a link or a picture."""
ROWS = {"recorded": "recorded speech", "resynthesis": "the codec's resynthesis", "synthesized": "**synthesized**"}


def card(
    name: str,
    introduction: str,
    model: dict,
    configs: dict[str, dict],
    sizes: dict[str, int],
    prompts: list[Recording],
    results: Path,
) -> str:
    """The Markdown text. introduction: what a person wrote, in front. model: the content of model.yaml.

    configs and sizes: of the "ar" and the "nar" model, config.yaml and number of parameters.
    results: a results.json of `ellav score`, which may be missing.
    """
    introduction = introduction.strip() or f"# {name}\n\nA model for zero-shot text-to-speech, made with ellav."
    needed = plugins_of(model, configs["ar"])
    parts = [introduction, _use(prompts, needed), _prompts(prompts), _contents(model, configs, sizes)]
    if results.exists():
        parts.append(_figures(results))
    else:
        parts.append("## Figures\n\nThis model had not been scored when it was packed.")
    parts.append(_training(configs))
    return "\n\n".join(parts) + "\n"


def plugins_of(model: dict, ar: dict) -> dict[str, dict]:
    """`ordering mine` -> where its code comes from (`Registry.record`), for all parts from outside ellav.

    model: the content of model.yaml. ar: config.yaml of the AR model.
    """
    records = {"ordering": ar["ordering"].get("record"), "codec": ar["codec"].get("plugin")}
    records |= {part: model[part].get("record") for part in ("text", "aligner", "decoder")}
    return {
        f"{part} `{record['name']}`": record
        for part, record in records.items()
        if record and is_outside(record["module"])
    }


def _use(prompts: list[Recording], needed: dict[str, dict]) -> str:
    own = '--prompt me.wav --prompt-text "What I say in it."'
    modules = list(dict.fromkeys(record["module"] for record in needed.values()))
    speak = " ".join(["ellav synth --model .", *(f"--plugin {shlex.quote(module)}" for module in modules)])
    # What a prompt says is in a language that the model speaks, and short enough.
    said = shlex.quote(min((one.text for one in prompts), key=len)) if prompts else '"Good morning."'
    lines = [f"{speak} --text {said} --out hello.wav{'' if prompts else ' ' + own}"]
    if prompts:
        lines.append(f"{speak} --text {said} {own} --out hello.wav")
    text = "## Use\n\nIn this folder:\n\n```sh\n" + "\n".join(lines) + "\n```"
    if needed:
        text += "\n\nThese parts are plugins, whose code does not come with the model:\n"
    for part, record in needed.items():
        version = f" {record['version']}" if record["version"] else ""
        text += f"\n- {part}: `{record['module']}`{version}, SHA-256 `{record['sha256']}`"
    return text


def _prompts(prompts: list[Recording]) -> str:
    if not prompts:
        return "## Prompts\n\nNone built in."
    rows = [[one.name, f"{one.seconds:.1f}", MARKUP.sub(r"\\\g<0>", one.text)] for one in prompts]
    return (
        "## Prompts\n\nBuilt in, the first one the default (`--prompt NAME`):\n\n"
        + markdown(["name", "seconds", "text"], rows).rstrip()
    )


def _contents(model: dict, configs: dict[str, dict], sizes: dict[str, int]) -> str:
    ar, stats, codec = configs["ar"], configs["ar"]["stats"], configs["ar"]["codec"]
    ordering = ar["ordering"]
    lines = [
        f"Ordering `{ordering['name']}`{_conf(ordering['conf'])}; text `{model['text']['name']}`"
        f"{_conf(model['text']['conf'])}; aligner `{model['aligner']['name']}`; decoding "
        f"`{model['decoder']['name']}`{_conf(model['decoder']['conf'])}"
        + "".join(f"; {name} {number(model[name])}" for name in MOST if model.get(name))
        + (f"; the best of {model['best_of']} readings." if model.get("best_of") else "."),
        f"Codec `{codec.get('name', 'unknown')}`: {codec.get('sample_rate', '?')} Hz, {stats['frame_rate']:g} frames "
        f"a second, {stats['codebooks']} codebooks of {stats['codebook_size']}.",
    ]
    for kind in ("ar", "nar"):
        shape = configs[kind]["model"]
        lines.append(
            f"{kind.upper()} model: {sizes[kind] / 1e6:.2f} million parameters, {shape['layers']} layers of "
            f"{shape['width']}, {shape['heads']} heads; weights `{model['which'][kind]}`, stored as {model['dtype']}."
        )
    lines.append(f"{len(ar['phones'])} phones; the longest training utterance has {stats['max_frames']} frames.")
    return "## What is in it\n\n" + "\n".join(f"- {line}" for line in lines)


def _figures(path: Path) -> str:
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
        tables = []
        for name, rows in results["sets"].items():
            shown = [m for m in results["metrics"] if any(m in row for row in rows.values())]
            cells = [[label, *(figure(rows[row].get(m)) for m in shown)] for row, label in ROWS.items() if row in rows]
            tables.append(f"{name}, {results['utterances'][name]} utterances:\n\n{markdown(['', *shown], cells)}")
        meanings = "".join(f"- `{name}`: {meaning}\n" for name, meaning in results["metrics"].items())
        where = results["environment"]
        head = f"Measured {where['date']} on {where['cpu']} before packing, with 95 % intervals over utterances."
        return f"## Figures\n\n{head}\n\n" + "\n".join(tables) + "\n" + meanings.rstrip()
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: not a results.json of `ellav score` ({error}); run stage 9 (score) again") from None


def _training(configs: dict[str, dict]) -> str:
    parts = ["## How it was trained"]
    for kind in ("ar", "nar"):
        made = {"model_conf": configs[kind]["model"], "train_conf": configs[kind].get("train", {})}
        content = yaml_text(made).rstrip()
        parts.append(f"{kind.upper()} model, ellav {configs[kind].get('version', '?')}:\n\n```yaml\n{content}\n```")
    return "\n\n".join(parts)


def _conf(conf: dict) -> str:
    return f" ({escape(', '.join(f'{key}={number(value)}' for key, value in conf.items()))})" if conf else ""
