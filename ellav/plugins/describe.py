"""What a plugin's code says about itself: documentation, options and their defaults."""

from __future__ import annotations

import ast
import inspect
import re
from importlib.util import find_spec
from pathlib import Path

from ellav.config import schema, type_name
from ellav.plugins.registry import Registry


def summary(registry: Registry, name: str) -> str:
    """The first line of the documentation. A built-in plugin's file is read, not imported."""
    if name in registry.builtin:
        doc = _doc_in_source(registry.builtin[name], name)
    else:
        doc = inspect.getdoc(registry.get(name))
    return (doc or "(no docstring)").strip().splitlines()[0]


def options(cls: type) -> list[tuple[str, str, str, str]]:
    """(name, type, default, documentation) of each option; a needed one has no default."""
    known = schema(cls)
    described = option_docs(inspect.getdoc(cls) or "", list(known))
    return [
        (
            name,
            type_name(parameter.annotation),
            "" if parameter.default is parameter.empty else repr(parameter.default),
            described.get(name, ""),
        )
        for name, parameter in known.items()
    ]


def option_docs(doc: str, names: list[str]) -> dict[str, str]:
    """What a docstring says after `name: `, or after `name, other: `, up to the next option.

    Such sentences stand in paragraphs that begin with an option's name.
    """
    if not names:
        return {}
    name = "|".join(map(re.escape, names))
    head = re.compile(rf"(?:^|(?<=[.;)] ))((?:(?:{name}), )*(?:{name})): ")
    found = {}
    for paragraph in re.split(r"\n\s*\n", doc):
        parts = head.split(" ".join(paragraph.split()))
        if parts[0]:
            continue
        for listed, text in zip(parts[1::2], parts[2::2], strict=True):
            found.update(dict.fromkeys(listed.split(", "), text.strip().rstrip(".;")))
    return found


def without_options(doc: str, names: list[str]) -> str:
    """The docstring without the paragraphs that `option_docs` reads."""
    paragraphs = re.split(r"\n\s*\n", doc)
    return "\n\n".join(paragraph for paragraph in paragraphs if not option_docs(paragraph, names))


def _doc_in_source(module: str, name: str) -> str | None:
    """The docstring of the class that `module` registers as `name`."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            for call in node.decorator_list:
                if isinstance(call, ast.Call) and [getattr(word, "value", None) for word in call.args] == [name]:
                    return ast.get_docstring(node)
    return None
