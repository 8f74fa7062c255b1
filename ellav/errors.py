"""The one exception that means: the user can mend this, and here is how."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Wrong input, options or files. Its message is one line a person can act on.

    Commands print the message and exit with status 1, without a traceback.
    """


def one_line(message: object, most: int | None = None) -> str:
    """The text of an exception or a warning on one line, cut after `most` characters."""
    return " ".join(str(message).split())[:most]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` where a known name is close, otherwise nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
