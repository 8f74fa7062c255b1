"""`ellav check-config`: whether the parts that a recipe names are there and take their options; nothing is run."""

from __future__ import annotations

import sys

from ellav.bin.options import add_choice, parse, parser
from ellav.config import checked
from ellav.errors import UserError
from ellav.plugins.aligners import accepts
from ellav.plugins.registry import registry

PARTS = {
    "text": "text",
    "aligner": "aligners",
    "prompt_aligner": "aligners",
    "codec": "codecs",
    "ordering": "orderings",
    "decoder": "decoders",
}
"""Option -> family."""
LIGHT = ("ordering", "decoder")
"""Those that cost nothing to make, so that the values of their options are tried too."""


def main(argv: list[str]) -> None:
    """Refuse the first part that is wrong, hours before its stage would."""
    made = parser("check-config", "Check that the parts of a recipe exist and take their options; nothing is run.")
    for option, family in PARTS.items():
        add_choice(made, option, None, family)
    made.add_argument("--scorers", nargs="*", default=[], metavar="NAME", help="some of `ellav plugins list` scorers")
    options = parse(made, argv)
    for scorer in options.scorers:
        registry("scorers").get(scorer)
    for option, family in PARTS.items():
        name, conf = getattr(options, option), getattr(options, f"{option}_conf")
        if name is not None:
            checked(registry(family).get(name), conf, f"{family} {name}")  # files may come with stage 1
            if option in LIGHT:
                registry(family).create(name, conf)
    if (
        options.aligner
        and not options.prompt_aligner
        and not hasattr(registry("aligners").get(options.aligner), "align")
    ):
        print(
            f"aligner {options.aligner} works on whole sets: stage 10 (pack) will want another one for prompts, "
            "--prompt-aligner",
            file=sys.stderr,
        )
    if options.text and options.aligner:
        # Some front ends know their alphabet only when they are made; stage 3 checks those.
        phone_set = getattr(registry("text").get(options.text), "phone_set", None)
        aligner = registry("aligners").get(options.aligner)
        if isinstance(phone_set, str) and not accepts(aligner, phone_set):
            raise UserError(
                f"text {options.text} makes phones of the set {phone_set!r}, but aligner {options.aligner} accepts: "
                f"{', '.join(aligner.phone_sets)}; choose another --text or --aligner (trained accepts any)"
            )
