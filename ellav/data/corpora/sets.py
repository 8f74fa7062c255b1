"""The sets that a corpus is divided into, reader by reader."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.filters import Bounds
from ellav.data.corpora.folder import FolderWriter
from ellav.data.corpora.pairing import Protocol, some, write_reader
from ellav.data.outputs import writing
from ellav.errors import UserError


class Plan(NamedTuple):
    """Which readers go where. train: trained on. valid: for validation. held_out: the unseen of tests.

    Of each reader of train, `valid_utterances` are kept back for validation, and of those in `seen`,
    `seen_utterances` for test_seen. bounds: of what is used. seconds: of each reader in training, at most, and
    a quarter of it in validation.
    """

    train: set[str]
    valid: set[str]
    held_out: set[str]
    valid_utterances: int
    seen: set[str]
    seen_utterances: int
    bounds: Bounds
    protocol: Protocol
    seconds: float

    @property
    def sets(self) -> list[str]:
        """Names of the sets that come of it."""
        tests = {"test_unseen": self.held_out, "test_seen": self.seen}
        return ["train", "valid", *(name for name, readers in tests.items() if readers)]

    @property
    def readers(self) -> list[str]:
        """All of them, in order."""
        return sorted(self.train | self.valid | self.held_out)


Writers = dict[str, FolderWriter]
"""Name -> what writes the set; those that are up to date are not in it."""


@contextmanager
def writing_sets(out: Path, settings: dict[str, dict]) -> Iterator[Writers]:
    """Data folders to be filled at once, out/NAME for each name of `settings` (what its content depends on).

    Raises UserError where one of them would be empty.
    """
    writers: Writers = {}
    with ExitStack() as stack:
        for name, options in settings.items():
            folder = stack.enter_context(writing(out / name, "1 (data)", options, []))
            if folder is not None:
                writers[name] = FolderWriter(folder)
        yield writers
        for name, writer in writers.items():
            writer.close()
            if not writer.utterances:
                raise UserError(f"{out / name}: {writer.summary()}; give it other readers, subsets or bounds")
    for name, writer in writers.items():
        print(f"{out / name}: {writer.summary(out / name)}")


def divide(writers: Writers, reader: str, rows: Iterable[Spoken | Dropped], plan: Plan) -> None:
    """Put what one reader says into the sets it belongs to. Only test sets hold more than one row in memory."""
    name = "valid" if reader in plan.valid else "test_unseen" if reader in plan.held_out else "train"
    good = usable(writers.get(name), rows, plan.bounds)
    if name == "test_unseen":
        if name in writers:
            write_reader(writers[name], list(good), plan.protocol)
        return
    good = at_most(good, plan.seconds if name == "train" else plan.seconds / 4)
    if name == "train" and (plan.valid_utterances or reader in plan.seen):
        good = keep_back(writers, reader, list(good), plan)
    for one in good:
        if name in writers:
            writers[name].add(one)


def keep_back(writers: Writers, reader: str, good: list[Spoken], plan: Plan) -> list[Spoken]:
    """What is left for training of a reader who gives utterances to test_seen and valid too.

    A reader of fewer than four times as many gives none: they are worth more in training.
    """
    count = len(good)
    if reader in plan.seen:
        targets = [one for one in good if plan.protocol.least <= one.seconds <= plan.protocol.most]
        kept = some(targets, plan.seen_utterances, plan.protocol.seed)
        if 1 < len(kept) <= count / 4:
            if "test_seen" in writers:
                write_reader(writers["test_seen"], kept, plan.protocol._replace(most_targets=0))
            good = [one for one in good if one not in kept]
    if plan.valid_utterances and plan.valid_utterances <= count / 4:
        kept = some(good, plan.valid_utterances, plan.protocol.seed)
        for one in kept if "valid" in writers else ():
            writers["valid"].add(one)
        good = [one for one in good if one not in kept]
    return good


def usable(writer: FolderWriter | None, rows: Iterable[Spoken | Dropped], bounds: Bounds) -> Iterator[Spoken]:
    """What passes the filters; the writer counts the others."""
    for row in rows:
        fault = row if isinstance(row, Dropped) else bounds.check(row)
        if fault is None:
            yield row
        elif writer is not None:
            writer.drop(fault)


def at_most(rows: Iterable[Spoken], seconds: float) -> Iterator[Spoken]:
    """The first rows, as many as `seconds` hold, but two at least."""
    total = 0.0
    for number, row in enumerate(rows):
        total += row.seconds
        if number > 1 and total > seconds:
            return
        yield row
