"""`ellav plugins`: which plugins there are, what they take, whether they keep their contract."""

from __future__ import annotations

import inspect
import re
import textwrap
from pathlib import Path

from ellav.bin.options import parse, parser
from ellav.config import parse_pairs
from ellav.errors import UserError, did_you_mean
from ellav.plugins import describe
from ellav.plugins.registry import FAMILIES, registry

ACTIONS = {
    "list": "names, where they come from, what they are",
    "show": "documentation and options of one",
    "check": "try one against its family's contract",
    "new": "write the files of a new one",
}


def main(argv: list[str]) -> None:
    """Parse options, then list, show, check or write plugins."""
    made = parser("plugins", "; ".join(f"{action}: {what}" for action, what in ACTIONS.items()) + ".")
    made.add_argument("action", metavar="ACTION", help=", ".join(ACTIONS))
    made.add_argument("family", nargs="?", metavar="FAMILY", help=", ".join(FAMILIES))
    made.add_argument("name", nargs="?", metavar="NAME", help="of the plugin; for check, its options follow: key=value")
    made.add_argument("--out", type=Path, help="new: folder to write, NAME if left out")
    made.add_argument("--cases", type=int, help="check: how many random inputs to try")
    made.add_argument("--seed", type=int, default=0, help="check: of the random inputs")
    made.add_argument("--sentences", type=Path, help="check text: file of sentences in its language, one a line")
    made.add_argument("--data", type=Path, help="check aligners: data folder with recordings that it should align")
    made.add_argument(
        "--text", metavar="NAME", help="check aligners: text plugin for --data, the first that fits if left out"
    )
    pairs, rest = _pairs(argv)
    options = parse(made, rest)
    if options.action not in ACTIONS:
        known = ", ".join(ACTIONS)
        raise UserError(f"no action {options.action!r}{did_you_mean(options.action, ACTIONS)}; known: {known}")
    if options.action == "list":
        for family in [options.family] if options.family else FAMILIES:
            list_family(family)
        return
    if options.family is not None:
        registry(options.family)  # says what families there are
    if options.name is None:
        example = "new orderings mine" if options.action == "new" else f"{options.action} orderings interleaved"
        raise UserError(f"{options.action} needs FAMILY and NAME, for example `ellav plugins {example}`")
    if options.action == "show":
        show(options.family, options.name)
    elif options.action == "new":
        from ellav.testing.templates import write_plugin

        write_plugin(options.family, options.name, options.out or Path(options.name))
    else:
        check(options.family, options.name, parse_pairs(pairs), options)


def list_family(family: str) -> None:
    """Name, origin and first line of every plugin of a family."""
    known = registry(family)
    known.load_installed()
    rows = [(name, known.origin(name), describe.summary(known, name)) for name in known.names()]
    print(f"{family} (contract {known.contract})")
    for name, origin, what in rows:
        print(f"  {name:<{max(len(row[0]) for row in rows)}}  {what}  [{origin}]")


def show(family: str, name: str) -> None:
    """Documentation and options of one plugin."""
    cls = registry(family).get(name)
    rows = describe.options(cls)
    names = [row[0] for row in rows]
    print(f"{family} {name} [{registry(family).origin(name)}, {cls.__module__}.{cls.__qualname__}]\n")
    print(describe.without_options(inspect.getdoc(cls) or "(no docstring)", names) + "\n")
    print("options" if rows else "no options")
    for option, kind, default, what in rows:
        print(f"  {option}: {kind}" + (f" = {default}" if default else " (needed)"))
        if what:
            print(textwrap.indent(textwrap.fill(what, 94), "      "))


def check(family: str, name: str, conf: dict, options) -> None:
    """Show every law that the plugin breaks. Raises UserError if there is one."""
    from ellav.testing.checks import broken, not_tried

    if options.cases is not None and options.cases < 1:
        raise UserError(f"--cases {options.cases}: nothing would be tried; give 1 or more")
    errors = broken(family, name, conf, options.cases, options.seed, options.sentences, options.data, options.text)
    for error in errors:
        print(f"✗ {error.law}\n    found: {error.found}")
        if error.example:
            print(f"    with:  {error.example}")
        print(f"    do:    {error.advice}")
    if errors:
        raise UserError(f"{family} {name} breaks {len(errors)} law(s) of the contract; laws that build on them wait")
    print(f"{family} {name} keeps the contract{not_tried(family, options.data)}")


def _pairs(argv: list[str]) -> tuple[list[str], list[str]]:
    """`key=value` words that belong to no option, and the others."""
    mine = [
        word
        for before, word in zip(["", *argv], argv, strict=False)
        if re.match(r"[A-Za-z_][\w-]*=", word) and not before.startswith("--")
    ]
    return mine, [word for word in argv if word not in mine]
