"""How plugins are named, found, checked and built.

A family is one `Registry`. A plugin is a class; its typed `__init__` is the schema of its
options. There are three equal ways in: a file beside the registry, an entry point of an
installed package (group `ellav.<family>`), and `--plugin FILE_OR_MODULE`.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import logging
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from ellav import config
from ellav.errors import UserError, did_you_mean, one_line

_log = logging.getLogger(__name__)

FAMILIES = ("codecs", "text", "aligners", "orderings", "decoders", "scorers", "transcribers", "watermarks")

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")

OUTSIDE = "ellav_plugin_"
"""Modules made of `--plugin` files are called this, the file's name, and a hash of its path."""


class Registry:
    """The named plugins of one family, for example `orderings`.

    Built-in plugins are modules beside the family's `__init__` and are imported only when
    asked for, so that heavy dependencies load where they are used.
    """

    def __init__(self, family: str, builtin: dict[str, str], contract: int = 1):
        """builtin: plugin name -> module that registers it. contract: version of the family's
        Protocol, raised when a plugin that kept the old one would no longer work."""
        self.family = family
        self.builtin = builtin
        self.contract = contract
        self._classes: dict[str, type] = {}
        self._entry_points = None

    def register(self, name: str) -> Callable[[type], type]:
        """Class decorator: `@orderings.register("interleaved")`.

        Raises UserError for a name that is taken or is none, for what is no class, and for a class
        whose `contract` (an integer that it may declare) is not this family's.
        """
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"{self.family}: {_short(name)} is no name for a plugin; write @{self.family}.register(NAME) above "
                "the class, with letters, digits, '_', '-' and '.' in quotes"
            )

        def add(cls: type) -> type:
            if not isinstance(cls, type):
                raise UserError(f"{self.family} {name!r}: {_short(cls)} is no class; a plugin is a class")
            if name in self.builtin and cls.__module__ != self.builtin[name]:
                raise UserError(f"{self.family}: {name!r} is built in; register yours under another name")
            known = self._classes.get(name)
            if known is not None and _origin(known) != _origin(cls):
                raise UserError(f"{self.family}: {name!r} is already registered by {self.origin(name)}")
            declared = getattr(cls, "contract", self.contract)
            if not isinstance(declared, int):
                raise UserError(f"{self.family} {name!r}: contract is {declared!r}; it must be a number, for example 1")
            if declared != self.contract:
                raise UserError(
                    f"{self.family} {name!r} is written for contract {declared}, this ellav has {self.contract}; "
                    "bring the plugin up to date (docs/plugins.md), or take the ellav that it was written for"
                )
            cls.name = name
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """All names that `get` knows, sorted."""
        return sorted({*self.builtin, *self._classes, *self._installed()})

    def get(self, name: str) -> type:
        """The class called `name`; raises UserError that lists the known names."""
        if not isinstance(name, str):
            raise UserError(f"{self.family}: {name!r} is no name of a plugin")
        if name not in self._classes:
            if name in self.builtin:
                importlib.import_module(self.builtin[name])
            elif name in self._installed():
                self._load_entry_point(name)
        if name not in self._classes:
            known = ", ".join(self.names())
            raise UserError(
                f"{self.family}: no plugin named {name!r}{did_you_mean(name, self.names())}; known: {known}; "
                "one of your own needs --plugin FILE_OR_MODULE (load_plugin in Python)"
            )
        return self._classes[name]

    def origin(self, name: str) -> str:
        """Where `name` comes from: `built in`, an installed package, or a file."""
        cls = self._classes.get(name)
        if cls is not None and cls.__module__.startswith(OUTSIDE):
            return inspect.getsourcefile(cls)
        if name in self.builtin:
            return "built in"
        if name in self._installed():
            package = self._installed()[name].dist
            return f"{package.name} {package.version}" if package else self._installed()[name].value
        return cls.__module__

    def load_installed(self) -> None:
        """Import what packages have installed; what does not load is reported and left out."""
        for name in list(self._installed()):
            if name not in self._classes:
                self._load_entry_point(name)

    def create(self, name: str, options: dict | None = None):
        """An instance of the plugin `name` built from checked `options`."""
        return config.build(self.get(name), options or {}, f"{self.family} {name}")

    def record(self, name: str) -> dict:
        """Where a plugin comes from, for checkpoints: name, module or file, version, SHA-256.

        A file is told by its name alone: it is the same plugin after it was moved.
        """
        cls = self.get(name)
        source = inspect.getsourcefile(cls)
        digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None
        version = getattr(cls, "version", None)
        module = Path(source).name if cls.__module__.startswith(OUTSIDE) else cls.__module__
        return {"name": name, "module": module, "version": version, "sha256": digest}

    def described(self, name: str, options: dict) -> dict:
        """What is kept of a plugin beside a model: its name, all its options with their defaults, its record."""
        conf = config.completed(self.get(name), options, f"{self.family} {name}")
        return {"name": name, "conf": conf, "record": self.record(name)}

    def warn_if_changed(self, name: str, record: dict | None, where: str) -> None:
        """Warn where the plugin `name`, if it is from outside, is another file now than when `record` was made of it.

        It is in use already: nothing is imported because a record, which may be a stranger's, names it.
        """
        if not record:
            return
        if not isinstance(record, dict) or record.get("name") != name:
            raise UserError(f"{where}: its record of {self.family} is not that of {name!r}")
        now = self.record(name)
        if is_outside(now["module"]) and now["sha256"] != record.get("sha256"):
            warnings.warn(
                f"{where}: the code of {self.family.removesuffix('s')} {name!r} has changed since training",
                stacklevel=3,
            )

    def _installed(self) -> dict:
        if self._entry_points is None:
            self._entry_points = {}
            for point in entry_points(group=f"ellav.{self.family}"):
                if point.name in self.builtin or point.name in self._entry_points:
                    self._skip(point, "the name is taken")
                else:
                    self._entry_points[point.name] = point
        return self._entry_points

    def _load_entry_point(self, name: str) -> None:
        point = self._entry_points[name]
        try:
            cls = point.load()
            if name not in self._classes:
                self.register(name)(cls)
        except (Exception, SystemExit) as error:  # a stranger's package may fail in any way
            self._skip(point, str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}")
            del self._entry_points[name]

    def _skip(self, point: EntryPoint, reason: str) -> None:
        package = f" of package {point.dist.name}" if point.dist else ""
        where = f"{self.family} {point.name!r}{package} ({point.value})"
        _log.warning("ellav: skipping %s: %s", where, one_line(reason))


def registry(family: str) -> Registry:
    """The registry of a family; raises UserError that lists the families."""
    if family not in FAMILIES:
        raise UserError(f"no family {family!r}{did_you_mean(family, FAMILIES)}; families: {', '.join(FAMILIES)}")
    return getattr(importlib.import_module(f"ellav.plugins.{family}"), family)


def check_described(part: object, where: str) -> None:
    """Raises UserError, which begins with `where`, unless `part` is what is kept of a plugin (`Registry.described`)."""
    if not isinstance(part, dict) or not isinstance(part.get("name"), str) or not isinstance(part.get("conf"), dict):
        raise UserError(f"{where}: should be the name and the conf of a plugin, found {one_line(repr(part), 100)}")
    record = part.get("record")
    if record is None:
        return
    if not isinstance(record, dict) or record.get("name") != part["name"] or not isinstance(record.get("module"), str):
        raise UserError(f"{where}: its record is not that of {part['name']!r}: {one_line(repr(record), 100)}")


def is_outside(module: str) -> bool:
    """Whether a plugin's module, as `record` names it, is none of ellav's own."""
    return not module.startswith("ellav.plugins.")


def located(file_or_module: str) -> str:
    """A `--plugin` as it means the same from any folder: a file's absolute path, or the module."""
    is_module = all(part.isidentifier() for part in file_or_module.split("."))
    if is_module and not file_or_module.endswith(".py"):
        return file_or_module
    return str(Path(file_or_module).expanduser().absolute())


def load_plugin(file_or_module: str) -> None:
    """Import a plugin file or module so that it registers itself (`--plugin`); once is enough.

    Raises UserError that names the file, and the line where the file itself failed.
    """
    place = located(file_or_module)
    try:
        if os.path.isabs(place):
            _import_file(Path(place))
        else:
            importlib.import_module(place)
    except UserError as error:
        raise UserError(f"--plugin {file_or_module}: {error}") from error
    except (Exception, SystemExit) as error:
        missing = isinstance(error, ModuleNotFoundError) and error.name == file_or_module.partition(".")[0]
        hint = "; name a file that ends in .py, or install the package" if missing else ""
        raise UserError(f"--plugin {_line_of(error, place)}: {type(error).__name__}: {error}{hint}") from error


def _import_file(path: Path) -> None:
    path = path.resolve()
    name = f"{OUTSIDE}{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    if name in sys.modules:
        return
    if path.suffix != ".py" or not path.is_file():
        raise UserError("no such file" if not path.exists() else "not a Python file (its name must end in .py)")
    known = loaded_plugins()
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    if loaded_plugins() == known:
        del sys.modules[name]
        raise UserError(
            f"registers no plugin; import the registry of its family and write, for example, "
            f'@orderings.register("{path.stem}") above the class'
        )


def loaded_plugins() -> set[tuple[str, str, type]]:
    """(family, name, class) of all plugins that have been imported so far."""
    families = [family for family in FAMILIES if f"ellav.plugins.{family}" in sys.modules]
    return {(family, name, cls) for family in families for name, cls in registry(family)._classes.items()}


def _line_of(error: BaseException, place: str) -> str:
    """`place`, with the last of its lines that led to the error."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    real = os.path.realpath(place)
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == real]
    return f"{place}:{lines[-1]}" if lines else place


def _origin(cls: type) -> tuple:
    return (cls.__module__, cls.__qualname__)


def _short(value) -> str:
    return repr(value) if isinstance(value, str) else f"{getattr(value, '__name__', value)} (a {type(value).__name__})"
