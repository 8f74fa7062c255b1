"""What all commands share: parsers, `--config`, plugin options, and how errors end."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

from ellav.config import parse_pairs, read_yaml
from ellav.errors import UserError, did_you_mean, option_of, printable
from ellav.infer.bundle import MOST
from ellav.infer.provenance import DEFAULT
from ellav.plugins.registry import load_plugin, located
from ellav.plugins.text.by_language import choice_of

MODEL = "model made by `ellav pack`, or the name of one that comes with ellav (libri, if left out)"
"""What --model says in help."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str):
        """One line: argparse would print all the usage before it."""
        self.exit(2, f"{self.prog}: error: {printable(message)}; see --help\n")


def parser(command: str, summary: str) -> argparse.ArgumentParser:
    """A parser with `--config`, `--plugin` and `--debug`.

    Options are declared, and shown, with dashes. They may be written with underscores too; `--config` gives their
    defaults.
    """
    made = _Parser(prog=f"ellav {command}", description=summary)
    made.add_argument(
        "--config",
        action="append",
        metavar="YAML",
        help="file with the options of this command (repeatable: the later one wins)",
    )
    made.add_argument(
        "--plugin", action="append", default=[], metavar="FILE_OR_MODULE", help="import a plugin (repeatable)"
    )
    made.add_argument("--debug", action="store_true", help="show tracebacks")
    return made


def add_choice(
    made: argparse.ArgumentParser, option: str, default: str | None, family: str, several: bool = True
) -> None:
    """`--ordering NAME` with `--ordering-conf key=value ...`, for the plugins of a family.

    several: whether more than one pair may follow; not so where what follows may be a file."""
    shown = option_of(option)
    made.add_argument(shown, default=default, metavar="NAME", help=f"one of `ellav plugins list` {family}")
    made.add_argument(
        f"{shown}-conf",
        action="append",
        nargs="+" if several else 1,
        default=[],
        metavar="KEY=VALUE",
        help=f"options of {shown}" if several else f"an option of {shown} (repeatable)",
    )


def add_jobs(made: argparse.ArgumentParser) -> None:
    """`--nj` and `--shard`: how much of the work on a set is done here, and by how many processes."""
    made.add_argument("--nj", type=int, default=1, help="processes; 0: as many as this machine, or this job, has cores")
    made.add_argument(
        "--shard", type=int, default=None, metavar="K", help="of a set that is cut into shards only this one, from 1"
    )


def add_model(made: argparse.ArgumentParser) -> None:
    """The option --model: a packed model's folder or name, None for the one that speaks where none is named."""
    made.add_argument("--model", type=Path, help=MODEL)


def add_which(made: argparse.ArgumentParser) -> None:
    """`--which`: the weights of a trained model (`ellav.models.trained.WEIGHTS`, and auto)."""
    made.add_argument(
        "--which",
        default="auto",
        choices=["auto", "averaged", "best", "last"],
        help="weights to use; auto: those with the lowest validation loss",
    )


def add_quantize(made: argparse.ArgumentParser) -> None:
    """`--quantize`: what the weights of the models are rounded to while decoding."""
    made.add_argument(
        "--quantize",
        default="none",
        choices=["none", "int8"],
        help="round the weights of the models: int8 is faster on a CPU for large models",
    )


def add_dtype(made: argparse.ArgumentParser, default: str) -> None:
    """`--dtype`: in which numbers the models decode."""
    made.add_argument(
        "--dtype",
        default=default,
        choices=["auto", "float32", "bfloat16"],
        help="of weights and products; auto takes bfloat16 where this machine is much faster in it, which is measured"
        f" once and remembered ({default} if left out)",
    )


def add_nar_temperature(made: argparse.ArgumentParser, default: float | None) -> None:
    """`--nar-temperature`: how the codes of the NAR model become speech."""
    made.add_argument(
        "--nar-temperature",
        type=_number(0, MOST["nar_temperature"]),
        default=default,
        help="0: the likeliest codes of the NAR model are spoken, as in the papers. Above, 0.3 for example: each frame"
        " is the mean of what it may be, weighted by the model's probabilities at this temperature, which a model that"
        f" has learned from little speech needs to be understood{'' if default is not None else ' (as packed)'}",
    )


def add_match_voice(made: argparse.ArgumentParser, default: float | None) -> None:
    """`--match-voice`: whether speech is brought nearer to the prompt's voice."""
    made.add_argument(
        "--match-voice",
        type=_number(0, MOST["match_voice"]),
        metavar="SHARE",
        default=default,
        help="how much of what the NAR model misses of the prompt's voice on the average, measured on the prompt, is"
        " added to what it tells: 0 nothing, as in the papers; 1 all, which brings speech nearer to voices that it"
        " never heard; 2 at most. Takes a codec that can speak what lies between its codes, as --nar-temperature does"
        f"{'' if default is not None else ' (as packed)'}",
    )


def add_watermark(made: argparse.ArgumentParser) -> None:
    """`--watermark`, and `--no-watermark`: how speech is marked; `watermark_of` reads them."""
    add_choice(made, "watermark", DEFAULT, "watermarks, by which `ellav detect` tells the speech")
    made.add_argument("--no-watermark", action="store_true", help="do not mark the speech as synthesized")


def watermark_of(options: argparse.Namespace) -> tuple[str | None, dict | None]:
    """Name and options of the watermark, None and None for none: the last two arguments of a `Synthesizer`."""
    return (None, None) if options.no_watermark else (options.watermark, options.watermark_conf)


def _number(least: float, most: float) -> Callable[[str], float]:
    """A type of argparse."""

    def read(given: str) -> float:
        try:
            value = float(given)
        except ValueError:
            value = math.nan
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"must be from {least:g} to {most:g}, not {given}")
        return value

    read.__name__ = f"a number from {least:g} to {most:g}"
    return read


def parse(made: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    """Parse, with `--config` below the command line, and import the plugins.

    `X_conf` becomes one dict: the file's, then the command line's on top.
    """
    argv = [_dashes(word) for word in argv]
    config_parser = _Parser(prog=made.prog, add_help=False)
    config_parser.add_argument("--config", action="append", default=[])
    actions = {action.dest: action for action in made._actions}
    confs: dict[str, dict] = {}
    plugins: list[str] = []
    for path in config_parser.parse_known_args(argv)[0].config:
        plugins += _defaults(made, actions, path, confs)
    options = _parsed(made, argv)
    for action in made._actions:
        if action.dest.endswith("_conf"):
            pairs = [pair for group in getattr(options, action.dest) for pair in group]
            setattr(options, action.dest, {**confs.get(action.dest, {}), **parse_pairs(pairs)})
    if isinstance(getattr(options, "text", None), str) and hasattr(options, "text_conf") and ":" in options.text:
        options.text, options.text_conf = choice_of(options.text, options.text_conf)
    options.plugin = [located(plugin) for plugin in plugins + options.plugin]
    for plugin in options.plugin:
        load_plugin(plugin)
    return options


def _defaults(
    made: argparse.ArgumentParser, actions: dict[str, argparse.Action], path: str, confs: dict[str, dict]
) -> list[str]:
    """Take the defaults of `made` and the `confs` from a `--config` file; returns its plugins."""
    file = {k.replace("-", "_"): v for k, v in read_yaml(path).items()}
    plugins = file.pop("plugins", None) or []
    plugins = [str(plugin) for plugin in (plugins if isinstance(plugins, list) else [plugins])]
    for key in list(file):
        if key not in actions or key in ("help", "config", "plugin"):
            known = ", ".join(sorted(k for k in actions if k not in ("help", "config", "debug", "plugin")))
            raise UserError(f"{path}: unknown option {key!r}; accepted: {known}, plugins")
        if key.endswith("_conf"):
            confs[key] = file.pop(key) or {}
            if not isinstance(confs[key], dict):
                raise UserError(f"{path}: option {key!r} must be `name: value` lines, not {confs[key]!r}")
        else:
            file[key] = _fitted(made, actions[key], file[key], path)
        actions[key].required = False
    made.set_defaults(**file)
    return plugins


def _fitted(made: argparse.ArgumentParser, action: argparse.Action, value, path: str):
    """A value of a `--config` file as the command line would have given it."""
    several = action.nargs in ("+", "*") or isinstance(action, argparse._AppendAction)
    values = value if isinstance(value, list) and several else [value]
    if value is None and action.default is None:
        return None
    try:
        if action.nargs == 0:  # a switch
            if not isinstance(value, bool):
                raise ValueError
            return value
        if any(word is None or isinstance(word, (list, dict)) for word in values):
            raise ValueError
        words = [str(word).lower() if isinstance(word, bool) else str(word) for word in values]
        made_of = [action.type(word) if action.type else word for word in words]
        if action.choices and any(word not in action.choices for word in made_of):
            raise ValueError
    except (TypeError, ValueError, argparse.ArgumentTypeError):
        kind = "one of " + ", ".join(action.choices) if action.choices else getattr(action.type, "__name__", "text")
        wanted = {"parse_bool": "true or false"}.get(kind, "true or false" if action.nargs == 0 else kind)
        raise UserError(f"{path}: option {action.dest!r} must be {wanted}, not {value!r}") from None
    return made_of if several else made_of[0]


def _parsed(made: argparse.ArgumentParser, argv: list[str]) -> argparse.Namespace:
    _shorten_help(made)
    options, rest = made.parse_known_args(argv)
    if rest:
        known = [option for action in made._actions for option in action.option_strings]
        made.error(f"unknown argument {rest[0]!r}{did_you_mean(rest[0].partition('=')[0], known)}")
    return options


def parse_bool(value: str) -> bool:
    """`true` or `false`, as the recipes write them; for argparse's `type`."""
    if value not in ("true", "false"):
        raise argparse.ArgumentTypeError(f"must be true or false, not {value!r}")
    return value == "true"


def _shorten_help(made: argparse.ArgumentParser) -> None:
    """Leave the options out of the usage: the list below it has them all. It says what has to be given, and defaults
    that are something."""
    usage = made.formatter_class(f"{made.prog} [options]")
    usage.add_usage(None, [action for action in made._actions if not action.option_strings], [], prefix="")
    made.usage = usage.format_help().strip()
    for action in made._actions:
        if action.required and action.option_strings:
            action.help = f"{action.help} (required)"
        elif action.default not in (None, "", [], argparse.SUPPRESS) and action.default is not False:
            action.help = f"{action.help or ''} (default: %(default)s)"


def _dashes(argument: str) -> str:
    """An option as it is declared; other words, such as a text that begins with dashes, stay as they are."""
    name, separator, value = argument.partition("=")
    if not name.startswith("--") or " " in name:
        return argument
    return name.replace("_", "-") + separator + value
