"""`ellav export`: a packed model as ONNX graphs and one JSON file, for programs without torch."""

from __future__ import annotations

from pathlib import Path

from ellav.bin.options import add_model, parse, parser
from ellav.bin.synth import limit_threads
from ellav.infer.bundle import read_bundle


def main(argv: list[str]) -> None:
    """Parse options and export."""
    made = parser(
        "export",
        "Write a packed model as ONNX graphs and a JSON file with all that a program needs to speak with them, and"
        " check that onnxruntime computes what torch does.",
    )
    add_model(made)
    made.add_argument("--out", type=Path, required=True, help="output folder")
    options = parse(made, argv)
    bundle = read_bundle(options.model)
    limit_threads()

    from ellav.export.folder import export

    for line in export(bundle, options.out):
        print(line)
