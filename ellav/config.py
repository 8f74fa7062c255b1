"""Typed options: a function's signature is the schema of its YAML and `key=value` options."""

from __future__ import annotations

import difflib
import inspect
import re
import types
import typing
from collections.abc import Callable, Iterable
from pathlib import Path

import yaml

from ellav.errors import UserError, one_line
from ellav.text_files import read_text

MOST_BYTES, MOST_NODES, MOST_DEPTH = 1_000_000, 50_000, 30
"""Of a YAML file: a list of 32,000 phones fits, and reading takes less than a second."""
_BOOLEAN = "tag:yaml.org,2002:bool"
_TAGS = {f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null", "seq", "map")}


def schema(target: Callable) -> dict[str, inspect.Parameter]:
    """The options that `target` (a class, dataclass or function) accepts, by name.

    Annotations are resolved, so `int | None` is a type and not a string.
    """
    function = target.__init__ if inspect.isclass(target) else target
    if function is object.__init__:
        return {}
    hints = typing.get_type_hints(function)
    named = {
        name: parameter.replace(annotation=hints.get(name, typing.Any))
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "self" and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)
    }
    return named


def describe(target: Callable) -> str:
    """One line that lists the accepted options with types and defaults."""
    parts = []
    for name, parameter in schema(target).items():
        kind = type_name(parameter.annotation)
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        parts.append(f"{name}: {kind}{default}")
    return ", ".join(parts) if parts else "no options"


def checked(target: Callable, options: dict, what: str) -> dict:
    """`options` with every value fitted to the type that `target` declares.

    Raises UserError naming `what` and the accepted options for an unknown key, a value
    of the wrong type or a missing option without default.
    """
    known = schema(target)
    result = {}
    for name, value in options.items():
        name = str(name)
        key = name.replace("-", "_")
        if key not in known:
            close = difflib.get_close_matches(key, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise UserError(f"{what}: unknown option {name!r}{hint}; accepted: {describe(target)}")
        try:
            result[key] = fit(value, known[key].annotation)
        except (TypeError, ValueError, OverflowError):
            wanted = type_name(known[key].annotation)
            raise UserError(
                f"{what}: option {name!r} must be {wanted}, not {value!r}; accepted: {describe(target)}"
            ) from None
    missing = [n for n, p in known.items() if p.default is p.empty and n not in result]
    if missing:
        raise UserError(f"{what}: missing option {missing[0]!r}; accepted: {describe(target)}")
    return result


def completed(target: Callable, options: dict, what: str) -> dict:
    """`checked`, with the defaults of the options that were not given: what is kept beside a model,
    so that it stays the same when a default changes. Paths become strings."""
    defaults = {name: p.default for name, p in schema(target).items() if p.default is not p.empty}
    full = {**defaults, **checked(target, options, what)}
    return {name: str(value) if isinstance(value, Path) else _listed(value) for name, value in full.items()}


def build(target: Callable, options: dict, what: str):
    """`target(**options)` after `checked`; a ValueError it raises becomes a UserError."""
    try:
        return target(**checked(target, options, what))
    except ValueError as error:
        raise UserError(f"{what}: {error}") from error


def fit(value, kind):
    """`value` as the type `kind`; raises TypeError or ValueError where it does not fit."""
    if kind is typing.Any or kind is inspect.Parameter.empty:
        return value
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        for option in sorted(typing.get_args(kind), key=lambda k: k is str):
            try:
                return fit(value, option)
            except (TypeError, ValueError, OverflowError):
                continue
        raise TypeError(value)
    if kind is type(None):
        if value is not None:
            raise TypeError(value)
        return None
    if origin is typing.Literal:
        if value not in typing.get_args(kind):
            raise ValueError(value)
        return value
    if origin in (list, tuple):
        inner = (typing.get_args(kind) or (typing.Any,))[0]
        if isinstance(value, str) and inner is str:
            value = [part.strip() for part in value.split(",")]  # as people write it on the command line
        if not isinstance(value, (list, tuple)):
            raise TypeError(value)
        return origin(fit(item, inner) for item in value)
    if kind is bool or (kind is int and isinstance(value, bool)):
        if kind is bool and isinstance(value, bool):
            return value
        raise TypeError(value)
    if kind is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    if kind is float and isinstance(value, str):
        return float(value)  # YAML reads 1e-3 as a string
    if kind is Path and isinstance(value, (str, Path)):
        return Path(value)
    base = origin or kind
    if not isinstance(value, base):
        raise TypeError(value)
    return value


def paths(target: Callable) -> list[str]:
    """The options of `target` that name files: those declared as Path, or Path or None."""
    kinds = {name: parameter.annotation for name, parameter in schema(target).items()}
    return [name for name, kind in kinds.items() if kind is Path or Path in typing.get_args(kind)]


def parse_pairs(pairs: Iterable[str]) -> dict:
    """Options from `["local_advance=4", "silence=fold"]`; values are read as YAML."""
    options = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not name:
            raise UserError(f"option {pair!r} is not of the form key=value")
        options[name.replace("-", "_")] = _parse(value, f"option {pair!r}: its value is")
    return options


def read_yaml(path: Path | str) -> dict:
    """The mapping in a YAML file, which may be a stranger's.

    Raises UserError naming the file (and line) where it is no mapping with names as keys, where a key
    stands twice, and where it is larger or deeper than any of ours, has an alias (`*name`: a few
    lines of them stand for gigabytes) or a tag that is no plain type.
    """
    try:
        text = read_text(path, MOST_BYTES)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror.lower().replace(' or directory', '')}") from None
    content = _parse(text, f"{path}:")
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected 'key: value' lines, found a {type(content).__name__}")
    odd = next((key for key in content if not isinstance(key, str)), None)
    if odd is not None:
        raise UserError(f"{path}: {odd!r} is no name of an option; write it in quotes if it is one")
    return content


def read_mapping(text: str, where: str) -> dict[str, object]:
    """A mapping written as YAML on the command line. Raises UserError that begins with `where`."""
    content = _parse(text, where)
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise UserError(f"{where} not `name: value, name: value`")
    return content


def yaml_text(content: dict) -> str:
    """YAML that `read_yaml` reads: keys in their order, and what occurs twice is written twice."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data) -> bool:
        return True


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """true and false alone are booleans, as in YAML 1.2: `language: no` is Norwegian, and `off` an option's value."""

    yaml_implicit_resolvers: typing.ClassVar = {
        first: [(tag, rule) for tag, rule in rules if tag != _BOOLEAN]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node, deep: bool = False) -> dict:
        seen = set()
        for key, _ in node.value:
            name = str(key.value)
            if name in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{name!r} stands there twice", key.start_mark)
            seen.add(name)
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(_BOOLEAN, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), [*"tTfF"])


def _parse(text: str, where: str):
    """The content of a YAML text; raises UserError that begins with `where`."""
    try:
        _check_events(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f"line {mark.line + 1}: " if mark else ""
        reason = one_line(error.problem or error.context, 200)
    except (yaml.YAMLError, ValueError, LookupError, ArithmeticError) as error:
        line, reason = "", one_line(error, 200)
    raise UserError(f"{where} not readable as YAML: {line}{reason}")


def _check_events(text: str) -> None:
    """Before anything is built of it: raises YAMLError for what `read_yaml` refuses."""
    if len(text) > MOST_BYTES:
        raise yaml.YAMLError(f"larger than {MOST_BYTES / 1e6:g} MB")
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=_Loader)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        tag = getattr(event, "tag", None)
        if isinstance(event, yaml.AliasEvent):
            problem = f"an alias (*{event.anchor}); write what it stands for in full"
        elif depth > MOST_DEPTH:
            problem = f"nested deeper than {MOST_DEPTH} levels"
        elif count > MOST_NODES:
            problem = f"more than {MOST_NODES} values"
        elif tag is not None and tag not in _TAGS:
            problem = f"the tag {tag!r}; only plain types are read"
        else:
            continue
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)


def _listed(value):
    """YAML knows lists, no tuples."""
    return [_listed(item) for item in value] if isinstance(value, (tuple, list)) else value


def type_name(kind) -> str:
    """A type as a person reads it: `int | None`, `a | b`."""
    if kind is bool:
        return "true | false"
    if kind is inspect.Parameter.empty:
        return "any"
    if typing.get_origin(kind) is typing.Literal:
        return " | ".join(map(str, typing.get_args(kind)))
    return kind.__name__ if isinstance(kind, type) else re.sub(r"\b(typing|pathlib)\.", "", str(kind))
