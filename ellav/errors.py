"""The one exception that means: the user can mend this, and here is how."""

from __future__ import annotations


class UserError(Exception):
    """Wrong input, options or files. Its message is one line a person can act on.

    Commands print the message and exit with status 1, without a traceback.
    """
