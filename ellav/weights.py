"""Reading safetensors that may be a stranger's: what a file holds is compared with what is wanted before it is read."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

from ellav.errors import UserError, one_line

MOST_HEADER = 10_000_000
"""Bytes of a file's header, which names its tensors: those of a model have some ten thousand."""
LARGEST = 1e6
"""Of a weight's magnitude."""
FLOATS = ("F32", "F16", "BF16")
INT8 = "I8"
SCALE = ".scale"
"""Behind the name of a matrix (O, D) of 8 bits: its scales (O,), one a row, as float32."""


class Header(NamedTuple):
    """Of a safetensors file. tensors: name -> type (as `F32`) and shape. metadata: strings by name."""

    tensors: dict[str, tuple[str, tuple[int, ...]]]
    metadata: dict[str, str]


def read_header(path: Path, remedy: str) -> Header:
    """What the file holds, without any of its numbers.

    Raises UserError naming the file, and the `remedy`, where it is none or damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError(f"{path}: no file; {remedy}")
        with open(path, "rb") as stream:
            length = int.from_bytes(stream.read(8), "little")
        if length > MOST_HEADER:
            raise UserError(f"{path}: damaged (a header of {length} bytes); {remedy}")
        with safe_open(str(path), framework="numpy") as file:
            parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
            tensors = {name: (part.get_dtype(), tuple(part.get_shape())) for name, part in parts.items()}
            return Header(tensors, file.metadata() or {})
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; {remedy}") from None
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path}: damaged ({one_line(error, 200)}); {remedy}") from None


def read_weights(
    path: Path,
    wanted: Mapping[str, tuple[int, ...]],
    remedy: str,
    framework: Literal["pt", "numpy"] = "pt",
    types: tuple[str, ...] = FLOATS,
    largest: float = LARGEST,
) -> dict:
    """Name -> float32 tensor (torch's, or a numpy array) of the `wanted` shape, each a copy in memory.

    types: in which the file may store them; INT8 only matrices, beside their scales. Raises UserError naming file and
    tensor, before any is read, where they are not those that are wanted; and for one that holds NaN, infinity or
    numbers beyond `largest`.
    """
    found = read_header(path, remedy).tensors
    for name, shape in wanted.items():
        if name not in found:
            raise UserError(
                f"{path}: does not fit what is beside it: {name} should be {tuple(shape)}, found nothing; {remedy}"
            )
        kind, there = found[name]
        if there != tuple(shape) or kind not in types:
            raise UserError(
                f"{path}: does not fit what is beside it: {name} should be {tuple(shape)} {' or '.join(types)},"
                f" found {there} {kind}; {remedy}"
            )
    rounded = [name for name in wanted if found[name][0] == INT8]
    for name in rounded:
        if len(wanted[name]) != 2 or found.get(name + SCALE) != ("F32", wanted[name][:1]):
            raise UserError(
                f"{path}: does not fit what is beside it: {name} has 8 bits and no scales of them; {remedy}"
            )
    known = wanted.keys() | {name + SCALE for name in rounded}
    odd = next((name for name in found if name not in known), None)
    if odd is not None:
        raise UserError(f"{path}: does not fit what is beside it: nothing there needs {one_line(odd, 100)!r}; {remedy}")

    from safetensors import safe_open

    read = {}
    with safe_open(str(path), framework=framework) as file:
        for name in wanted:
            tensor = file.get_tensor(name)
            # The file is mapped into memory: a copy stays as it is when the file is written over.
            made = tensor.clone().float() if framework == "pt" else tensor.astype("float32")
            if name in rounded:
                made = made * file.get_tensor(name + SCALE)[:, None]
            if 0 not in made.shape and not abs(made).max() <= largest:
                raise UserError(f"{path}: {name} holds values that are not numbers, or far too large; {remedy}")
            read[name] = made
    return read
