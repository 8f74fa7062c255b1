"""The laws of all families under one name, as `ellav plugins check` tries them."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from ellav.errors import UserError
from ellav.plugins.registry import registry
from ellav.testing.contract import ContractError, Group, broken_laws
from ellav.text_files import read_text

HOMES = {
    "codecs": "codec",
    "text": "text",
    "aligners": "aligner",
    "orderings": "ordering",
    "decoders": "decoder",
    "scorers": "scorer",
    "transcribers": "transcriber",
    "watermarks": "watermark",
}
"""Family -> the module of `ellav.testing` that holds its laws, as NAME_laws."""

NEEDS_TWO = ("codecs", "scorers", "watermarks")
"""Families whose laws compare two instances."""


def broken(
    family: str,
    name: str,
    conf: dict,
    cases: int | None = None,
    seed: int = 0,
    sentences: Path | None = None,
    data: Path | None = None,
    front_end: str | None = None,
) -> list[ContractError]:
    """The laws that plugin `name`, made with `conf`, breaks; empty where it keeps the contract.

    cases: random inputs to try, each family's own number if None. sentences: a file, for text
    front ends. data, front_end: for aligners, a data folder and the text plugin that speaks it.
    """
    home = HOMES[family]
    laws = import_module(f"ellav.testing.{home}")
    more: dict = {"seed": seed}
    if cases is not None and family != "codecs":
        more["cases"] = cases
    if family == "aligners":
        from ellav.testing.set_aligner import laws_on_data

        groups = laws_on_data(name, conf, data, front_end, **more)
    elif family == "text":
        groups = laws.laws_on_sentences(name, conf, _lines(sentences) if sentences else laws.SENTENCES, **more)
    else:
        instances = [registry(family).create(name, conf) for _ in range(2 if family in NEEDS_TWO else 1)]
        groups = getattr(laws, f"{home}_laws")(*instances, **more)
    return broken_laws(_guarded(groups, family, name))


def not_tried(family: str, data: Path | None) -> str:
    """What a check without recordings leaves open."""
    if family == "aligners" and data is None:
        return ", as far as machine-made sounds show; --data FOLDER tries recordings"
    return ""


def _guarded(groups: Iterator[Group], family: str, name: str) -> Iterator[Group]:
    """The groups; what a plugin raises between two laws (in `bind`, in `encode`) is one line too."""
    try:
        yield from groups
    except (UserError, ContractError):
        raise
    except Exception as error:
        raise UserError(f"{family} {name}: {type(error).__name__}: {error} (--debug shows where)") from error


def _lines(path: Path) -> list[str]:
    try:
        lines = [line.strip() for line in read_text(path).splitlines()]
    except OSError as error:
        raise UserError(f"--sentences {path}: {error}") from None
    if not any(lines):
        raise UserError(f"--sentences {path}: no sentence in it")
    return [line for line in lines if line]
