"""Networks into ONNX files."""

from __future__ import annotations

import contextlib
import importlib
import io
import logging
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ellav.data.outputs import naming
from ellav.errors import UserError, one_line

PACKAGES = ("onnx", "onnxscript", "onnxruntime")

OPSET = 18
"""Version of the operators: the oldest one that torch writes, so that old runtimes read them."""

LARGEST = 1_900_000_000
"""Bytes of weights that one file can hold; those of a larger model go into a second one beside it."""


def check_packages() -> None:
    """Raises UserError that names the extra where a package is missing."""
    for name in PACKAGES:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError as error:
            raise UserError(
                f"the package {error.name} is missing; install the extra: pip install 'ellav[export]'"
            ) from None


def write_graph(
    network: nn.Module,
    example: dict[str, Tensor],
    growing: dict[str, str],
    outputs: Sequence[str],
    path: Path,
) -> None:
    """Write what `network` computes.

    example: arguments by their names in `forward`, which are those of the graph's inputs. growing: of those whose first
    dimension may have any size, what it is called. outputs: their names. Raises UserError naming the file where the
    network has something in it that ONNX has not.
    """
    dims = {name: torch.export.Dim(name) for name in set(growing.values())}
    shapes = {name: {0: dims[growing[name]]} if name in growing else None for name in example}
    size = sum(each.numel() * each.element_size() for each in [*network.parameters(), *network.buffers()])
    try:
        with _quiet():
            program = torch.onnx.export(
                network.eval(),
                tuple(example.values()),
                input_names=list(example),
                output_names=list(outputs),
                dynamic_shapes=shapes,
                opset_version=OPSET,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as error:
        raise UserError(f"{path.name}: torch cannot write it as ONNX: {one_line(error, 300)}") from error
    with naming(path):
        program.save(str(path), external_data=size > LARGEST)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What the exporter tells about itself is of no use to whoever exports."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
