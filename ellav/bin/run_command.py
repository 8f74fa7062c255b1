"""How a command begins and ends: where caches go, its exit status, and one line where it could not do its work."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable

from ellav.data.outputs import is_full
from ellav.errors import UserError, one_line, printable
from ellav.installed import extra_of
from ellav.plugins.faults import plugin_fault


class Stopped(BaseException):
    """SIGTERM or SIGINT came; args: the signal's number."""


def run_command(name: str, command: Callable[[], None], debug: bool = False) -> int:
    """Call `command` and return the exit status.

    0 on success; 1 on wrong input or a failing disk; 128 + the signal's number where it was
    stopped. What went wrong is one line on stderr, and so is a warning; `debug` shows the traceback instead. So
    does what neither a person's input nor a plugin from outside brought about.
    """
    before, hook, shown = _catch_signals(), threading.excepthook, warnings.showwarning
    warnings.showwarning = lambda message, *_: print(f"{name}: warning: {one_line(message)}", file=sys.stderr)
    if not debug:  # TensorBoard's thread meets a full disk first; who writes to it hears of it next
        threading.excepthook = lambda thread: None if issubclass(thread.exc_type, OSError) else hook(thread)
    try:
        command()
    except UserError as error:
        if debug:
            raise
        return _fail(name, str(error))
    except ModuleNotFoundError as error:
        if debug or (error.name or "").startswith("ellav"):
            raise
        extra = extra_of(error.name or "")
        how = f"install the extra: pip install 'ellav[{extra}]'" if extra else "`ellav doctor` shows what is missing"
        return _fail(name, f"{error}; {how}")
    except OSError as error:
        if debug:
            raise
        return _fail(name, _of_system(error))
    except Exception as error:
        fault = plugin_fault(error)
        if debug or fault is None:
            raise
        return _fail(name, f"{fault}; --debug shows how it came there")
    except (Stopped, KeyboardInterrupt) as stop:
        number = stop.args[0] if stop.args else signal.SIGINT
        print(
            f"{name}: stopped by {signal.Signals(number).name}; the same command makes what is missing", file=sys.stderr
        )
        return 128 + number
    finally:
        threading.excepthook, warnings.showwarning = hook, shown
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


@contextlib.contextmanager
def writable_caches():
    """Libraries keep caches under HOME; where nothing can be written there, in a folder that goes with the process."""
    home = os.path.expanduser("~")
    if os.path.isdir(home) and os.access(home, os.W_OK):
        yield
        return
    with tempfile.TemporaryDirectory(prefix="ellav-", ignore_cleanup_errors=True) as place:
        unset = {"XDG_CACHE_HOME", "MPLCONFIGDIR", "NUMBA_CACHE_DIR"} - os.environ.keys()
        os.environ.update(dict.fromkeys(unset, place))
        try:
            yield
        finally:
            for name in unset:
                del os.environ[name]


def _fail(name: str, reason: str) -> int:
    print(f"{name}: {printable(reason)}", file=sys.stderr)
    return 1


def _of_system(error: OSError) -> str:
    place = f"{error.filename}: " if error.filename else ""
    reason = (error.strerror or str(error)).lower()
    if is_full(error):
        return f"{place}could not be written: {reason}; make room, then the same command makes what is missing"
    return f"{place}{reason}"


def _catch_signals() -> dict:
    """SIGTERM and SIGINT raise Stopped, once. Returns the handlers before."""

    def stop(number, frame):
        for each in handled:
            signal.signal(each, signal.SIG_IGN)  # a group's signal may come twice, and would cut the cleaning up short
        raise Stopped(number)

    # Python leaves SIGINT ignored where the shell did so; that is to stay.
    handled = [n for n in (signal.SIGTERM, signal.SIGINT) if signal.getsignal(n) != signal.SIG_IGN]
    try:
        return {number: signal.signal(number, stop) for number in handled}
    except ValueError:  # not the main thread
        return {}
