"""The one exception that means: the user can mend this, and here is how."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""What steers a terminal, ends a line, turns text around or cannot be printed."""

LONGEST = 1500
"""Characters of a message."""


class UserError(Exception):
    """Wrong input, options or files. Its message is one line a person can act on.

    Commands print the message and exit with status 1, without a traceback. Names and texts
    in it may be a stranger's: what would steer a terminal is shown as its escape, and what
    fills pages is cut.
    """

    def __str__(self) -> str:
        message = printable(super().__str__())
        return message if len(message) <= LONGEST else f"{message[:LONGEST]} ..."


def printable(text: str) -> str:
    """`text` with every character of UNPRINTABLE written as `\\x1b` or the like."""
    return UNPRINTABLE.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def one_line(message: object, most: int | None = None) -> str:
    """The text of an exception or a warning on one line, printable, cut after `most` characters."""
    return printable(" ".join(str(message).split()))[:most]


def option_of(name: str) -> str:
    """The option whose value is the attribute `name`, as people write it: `--prompt-text` for `prompt_text`."""
    return "--" + name.replace("_", "-")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """` (did you mean 'x'?)` where a known name is close, otherwise nothing."""
    close = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
