"""What the benches have in common: options, and what is refused before anything is loaded."""

from __future__ import annotations

import argparse

from ellav.bin.options import add_choice
from ellav.errors import UserError, option_of

PRESET, ORDERING = "mini", "interleaved"


def add_preset(made: argparse.ArgumentParser, train_conf: bool = False) -> None:
    """`--preset`, and what changes it."""
    made.add_argument("--preset", metavar="NAME", help=f"of conf/train, or a file like those; {PRESET} if left out")
    conf = {"model_conf": "kv_heads=1"} | ({"train_conf": "optimizer=adamw"} if train_conf else {})
    for name, example in conf.items():
        made.add_argument(
            option_of(name),
            action="append",
            nargs="+",
            default=[],
            metavar="KEY=VALUE",
            help=f"on top of the preset's {name}, {example} for example",
        )
    add_choice(made, "ordering", None, f"orderings; {ORDERING} if left out")


def add_common(made: argparse.ArgumentParser, repeats: int | None = 3, device: bool = True) -> None:
    """`--repeats`, `--device` and `--json`."""
    if repeats is not None:
        made.add_argument(
            "--repeats", type=int, default=repeats, help="runs, of which the fastest counts, after one to warm up"
        )
    if device:
        made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    made.add_argument("--json", action="store_true", help="print one JSON object instead of a table")


def check_counts(options: argparse.Namespace, *names: str) -> None:
    """Refuse numbers that count nothing; one that was left out is None."""
    for name in names:
        given = getattr(options, name)
        for value in given if isinstance(given, list) else [given]:
            if value is not None and value < 1:
                raise UserError(f"{option_of(name)} must be 1 or more, not {value}")


def check_seconds(options: argparse.Namespace, *names: str) -> None:
    """Refuse lengths that are none; one that was left out is None."""
    for name in names:
        value = getattr(options, name)
        if value is not None and not 0 < value <= 3600:
            raise UserError(f"{option_of(name)} must be above 0 and at most 3600, not {value:g}")
