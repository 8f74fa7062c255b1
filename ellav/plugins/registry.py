"""How plugins are named, found, checked and built.

A family is one `Registry`. A plugin is a class; its typed `__init__` is the schema of its
options. There are three equal ways in: a file beside the registry, an entry point of an
installed package (group `ellav.<family>`), and `--plugin FILE_OR_MODULE`.
"""

from __future__ import annotations

import difflib
import hashlib
import importlib
import importlib.util
import inspect
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from ellav import config
from ellav.errors import UserError


class Registry:
    """The named plugins of one family, for example `orderings`.

    Built-in plugins are modules beside the family's `__init__` and are imported only when
    asked for, so that heavy dependencies load where they are used.
    """

    def __init__(self, family: str, builtin: dict[str, str]):
        """builtin: plugin name -> module that registers it."""
        self.family = family
        self.builtin = builtin
        self._classes: dict[str, type] = {}
        self._entry_points = None

    def register(self, name: str) -> Callable[[type], type]:
        """Class decorator: `@orderings.register("interleaved")`."""

        def add(cls: type) -> type:
            known = self._classes.get(name)
            if known is not None and _origin(known) != _origin(cls):
                raise UserError(f"{self.family}: {name!r} is already registered by {known.__module__}")
            cls.name = name
            self._classes[name] = cls
            return cls

        return add

    def names(self) -> list[str]:
        """All names that `get` knows, sorted."""
        return sorted({*self.builtin, *self._classes, *self._installed()})

    def get(self, name: str) -> type:
        """The class called `name`; raises UserError that lists the known names."""
        if name not in self._classes:
            if name in self.builtin:
                importlib.import_module(self.builtin[name])
            elif name in self._installed():
                self._load_entry_point(name)
        if name not in self._classes:
            close = difflib.get_close_matches(name, self.names(), n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            known = ", ".join(self.names())
            raise UserError(f"{self.family}: no plugin named {name!r}{hint}; known: {known}")
        return self._classes[name]

    def create(self, name: str, options: dict | None = None):
        """An instance of the plugin `name` built from checked `options`."""
        return config.build(self.get(name), options or {}, f"{self.family} {name}")

    def record(self, name: str) -> dict:
        """Where a plugin comes from, for checkpoints: name, module, version, SHA-256."""
        cls = self.get(name)
        source = inspect.getsourcefile(cls)
        digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None
        version = getattr(cls, "version", None)
        return {"name": name, "module": cls.__module__, "version": version, "sha256": digest}

    def _installed(self) -> dict:
        if self._entry_points is None:
            found = entry_points(group=f"ellav.{self.family}")
            self._entry_points = {point.name: point for point in found}
        return self._entry_points

    def _load_entry_point(self, name: str) -> None:
        point = self._entry_points[name]
        try:
            cls = point.load()
        except Exception as error:  # a stranger's package may fail in any way
            warnings.warn(f"{self.family} {name!r} of {point.value} does not load: {error}", stacklevel=3)
            del self._entry_points[name]
            return
        if name not in self._classes:
            self.register(name)(cls)


def load_plugin(file_or_module: str) -> None:
    """Import a plugin file or module so that it registers itself (`--plugin`)."""
    path = Path(file_or_module)
    try:
        if path.suffix == ".py" or path.exists():
            path = path.resolve(strict=True)
            name = f"ellav_plugin_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
            if name in sys.modules:
                return
            spec = importlib.util.spec_from_file_location(name, path)
            module = importlib.util.module_from_spec(spec)
            sys.modules[name] = module
            try:
                spec.loader.exec_module(module)
            except BaseException:
                del sys.modules[name]
                raise
        else:
            importlib.import_module(file_or_module)
    except UserError:
        raise
    except FileNotFoundError as error:
        raise UserError(f"--plugin {file_or_module}: no such file or module ({error})") from None
    except Exception as error:
        raise UserError(f"--plugin {file_or_module}: {type(error).__name__}: {error}") from error


def _origin(cls: type) -> tuple:
    return (cls.__module__, cls.__qualname__)
