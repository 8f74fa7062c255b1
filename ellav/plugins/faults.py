"""Which plugin from outside an exception comes from, so that its author reads one line instead of a traceback."""

from __future__ import annotations

import re
import sys
import traceback
from contextlib import contextmanager

from ellav.errors import one_line
from ellav.plugins.registry import is_outside, loaded_plugins

_FRAME = re.compile(r'File "(?P<file>[^"]+)", line (?P<line>\d+), in (?P<function>.+)')


def plugin_fault(error: BaseException) -> str | None:
    """`FILE:LINE, in FUNCTION: KIND: what (with what)`, or None where no plugin from outside was at work.

    An exception of a worker process counts too: its traceback comes along as text.
    """
    files = _outside_files()
    frames = _FRAME.finditer("".join(traceback.format_exception(error)))
    mine = [frame for frame in frames if frame["file"] in files]
    if not mine:
        return None
    last = mine[-1]
    reason = one_line(error, 300)
    notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
    return f"{last['file']}:{last['line']}, in {last['function']}: {type(error).__name__}: {reason}{notes}"


@contextmanager
def at_work_on(what: str):
    """What a plugin raises in here bears the name of the utterance or file that was at hand."""
    try:
        yield
    except Exception as error:
        error.add_note(what)
        raise


def _outside_files() -> set[str]:
    """The files of all registered classes that do not belong to ellav."""
    names = {cls.__module__ for _, _, cls in loaded_plugins() if is_outside(cls.__module__)}
    modules = [sys.modules.get(name) for name in names]
    return {module.__file__ for module in modules if getattr(module, "__file__", None)}
