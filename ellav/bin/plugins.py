"""`ellav plugins`: which plugins there are and which options they take."""

from __future__ import annotations

import importlib
import inspect

from ellav.bin.options import parse, parser
from ellav.config import describe
from ellav.errors import UserError
from ellav.plugins.registry import Registry

FAMILIES = ("codecs", "text", "aligners", "orderings", "decoders", "scorers", "transcribers")


def main(argv: list[str]) -> None:
    """Parse options and show plugins."""
    made = parser("plugins", "List plugins (`list`) or show one's documentation and options (`show FAMILY NAME`).")
    made.add_argument("action", choices=["list", "show"])
    made.add_argument("family", nargs="?", metavar="FAMILY", help=", ".join(FAMILIES))
    made.add_argument("name", nargs="?", metavar="NAME")
    options = parse(made, argv)
    if options.action == "list":
        for family in [options.family] if options.family else FAMILIES:
            print(f"{family}: {', '.join(registry(family).names())}")
        return
    if options.name is None:
        raise UserError("show needs FAMILY and NAME, for example `ellav plugins show orderings interleaved`")
    cls = registry(options.family).get(options.name)
    print(f"{options.family} {options.name} ({cls.__module__})\n\n{inspect.getdoc(cls)}\n\noptions: {describe(cls)}")


def registry(family: str) -> Registry:
    """The registry of a family; raises UserError that lists the families."""
    if family not in FAMILIES:
        raise UserError(f"no family {family!r}; families: {', '.join(FAMILIES)}")
    return getattr(importlib.import_module(f"ellav.plugins.{family}"), family)
