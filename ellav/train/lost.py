"""How the processes of a training end where one of them has: without a word, as its launcher tells of that one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

LOST = 75
"""Exit status of a process that ends because it has lost another one."""
_SIGNS = ("gloo", "nccl", "connection closed by peer", "connection reset", "connection refused", "broken pipe")
"""In the words of errors that torch raises without a kind of their own."""


@contextmanager
def leaving_with_others() -> Iterator[None]:
    """Where another process of the training is gone, end with LOST; the launcher is told why, should it be none."""
    from torch.distributed import DistError
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, DistError) and not any(sign in str(error).lower() for sign in _SIGNS):
            raise
        if "TORCHELASTIC_ERROR_FILE" in os.environ:
            get_error_handler().record_exception(error)
        raise SystemExit(LOST) from None
