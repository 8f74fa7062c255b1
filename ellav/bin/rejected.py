"""Bad utterances of a corpus: set aside with reasons, counted and bounded."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

from ellav.data.kaldi import write_table
from ellav.errors import UserError, one_line

T = TypeVar("T")


class Rejected(NamedTuple):
    """Why an utterance cannot be used."""

    reason: str


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
