"""`ellav detect`: whether recordings carry the mark of synthesized speech, and what their headers say."""

from __future__ import annotations

import sys

from ellav.bin.options import add_choice, parse, parser
from ellav.errors import UserError, one_line
from ellav.infer.provenance import DEFAULT
from ellav.plugins.watermarks import Watermark, watermarks

MARKED, NOT_MARKED, FAILED = 0, 1, 2
"""Exit status: all files are marked; one at least is not; one at least could not be read, or nothing be tried."""


def main(argv: list[str]) -> None:
    """Print a line on each file; ends with one of the statuses above."""
    made = parser(
        "detect",
        "Tell whether recordings were synthesized by ellav: a line on each. The exit status is 0 where all are marked,"
        " 1 where one at least is not, 2 where one at least could not be read. A file that is not marked may be"
        " synthesized all the same.",
    )
    made.add_argument("files", nargs="+", metavar="FILE", help="recording in any format that libsndfile reads")
    add_choice(made, "watermark", DEFAULT, "watermarks", several=False)
    debug = "--debug" in argv
    try:
        options = parse(made, argv)
        watermark = watermarks.create(options.watermark, options.watermark_conf)
    except UserError as error:
        raise SystemExit(told(error, debug)) from None
    status = MARKED
    for file in options.files:
        try:
            line, marked = examined(file, watermark)
        except UserError as error:
            status = told(error, debug)
            continue
        print(f"{one_line(file)}: {line}")
        if not marked:
            status = max(status, NOT_MARKED)
    if status != MARKED:
        raise SystemExit(status)


def examined(file: str, watermark: Watermark) -> tuple[str, bool]:
    """What is to say about a file, and whether it is marked. Raises UserError where it cannot be read."""
    from ellav.data.audio import read_about, read_all

    wav, rate = read_all(file)
    score = watermark.detect(wav.mean(axis=1), rate)
    marked = score >= watermark.threshold
    says = "; ".join(f"{name}: {one_line(value, 200)}" for name, value in read_about(file).items())
    found = (
        f"{'marked' if marked else 'not marked'} ({watermark.name} {score:.2f}, marked from {watermark.threshold:g})"
    )
    return f"{found}; {says or 'no metadata'}", marked


def told(error: UserError, debug: bool) -> int:
    """Tell on stderr what failed; the status that this means."""
    if debug:
        raise error
    print(f"ellav detect: {error}", file=sys.stderr)
    return FAILED
