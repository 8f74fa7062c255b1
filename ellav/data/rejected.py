"""Bad utterances of a corpus: set aside with reasons, counted and bounded."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from ellav.data.kaldi import write_table
from ellav.data.outputs import is_full
from ellav.errors import UserError, one_line
from ellav.plugins.aligners import AlignmentError
from ellav.plugins.faults import plugin_fault

T = TypeVar("T")


class Rejected(NamedTuple):
    """Why an utterance cannot be used."""

    reason: str


def attempt(work: Callable[..., T], *arguments) -> T | Rejected:
    """`work(*arguments)`, or why this utterance cannot be used: whatever a library raises over one concerns that one.

    What concerns all of them goes through: a full disk, no memory left, a package that is missing.
    """
    try:
        return work(*arguments)
    except (UserError, AlignmentError) as error:
        return Rejected(one_line(error))
    except (MemoryError, ImportError):
        raise
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):
            raise
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__}: {one_line(error, 300)} ({last.filename}:{last.lineno}, in {last.name})"
        return Rejected(plugin_fault(error) or place)


def keep_good(results: Iterable[tuple[str, T | Rejected]], folder: Path, most: float) -> dict[str, T]:
    """The results that are no `Rejected`; the others go into the table folder/rejected.

    most: the largest share that may be rejected. Raises UserError past it, naming the
    first one and the list (which stays, in the unfinished folder).
    """
    good: dict[str, T] = {}
    bad: dict[str, str] = {}
    for utterance, result in results:
        if isinstance(result, Rejected):
            bad[utterance] = one_line(result.reason)
        else:
            good[utterance] = result
    write_table(folder / "rejected", bad)
    if bad:
        first, reason = next(iter(bad.items()))
        share = len(bad) / (len(bad) + len(good))
        line = f"{len(bad)} of {len(bad) + len(good)} utterances set aside, the first {first!r}: {reason}"
        if share > most or not good:
            raise UserError(f"{line}; more than --max-rejected {most:g} allows; all are in {folder}/rejected")
        print(f"{folder.with_suffix('')}/rejected: {line}", file=sys.stderr)  # `.partial` goes when the stage is done
    return good
