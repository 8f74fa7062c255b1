"""`ellav corpus aishell`: AISHELL-1, people who speak Mandarin."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from ellav.bin.corpus_librispeech import fill_test, subsets_of, test_name
from ellav.bin.corpus_options import (
    add_bounds,
    add_readers,
    add_run,
    add_subsets,
    add_tests,
    check_numbers,
    plan_of,
    protocol_of,
    settings_of,
)
from ellav.bin.options import parse, parser
from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.aishell import corpus_root, read_reader, readers_of, transcripts
from ellav.data.corpora.download import fetch_aishell
from ellav.data.corpora.readers import choose
from ellav.data.corpora.sets import divide, writing_sets
from ellav.data.parallel import parallel_map
from ellav.errors import UserError


def aishell(argv: list[str]) -> None:
    """Write train, valid and the test sets of AISHELL-1."""
    made = parser(
        "corpus aishell",
        "Data folders from AISHELL-1's layout, wav/SUBSET/READER beside one transcript. Sets: train and valid;"
        " test_unseen of --held-out-readers; test_seen of --seen-utterances; one of each of --test-subsets.",
    )
    made.add_argument("--aishell", type=Path, help="folder data_aishell, or the one that holds it")
    add_subsets(made, ["train"])
    add_readers(made, held_out="")
    add_tests(made, "test")
    add_bounds(made, least=1.0, most=16.0, rates=(0.8, 9.0))
    add_run(made)
    options = parse(made, argv)
    check_numbers(options)
    train, tests = subsets_of(options)
    if options.aishell is None and not options.download:
        raise UserError("where is the corpus? Give --aishell DIR, or set its variable in db.sh")
    options.aishell = options.aishell or Path("downloads")
    if options.download:
        fetch_aishell(options.aishell)
    options.root = corpus_root(options.aishell, [*train, *tests])
    readers = readers_of(options.root, train)
    held_out = choose(options.held_out_readers, readers, options.seed, "--held-out-readers")
    plan = plan_of(options, readers, held_out, list(readers) if options.seen_utterances else ())
    settings = settings_of(plan, {"corpus": "aishell", "root": options.root, "subsets": train}, options)
    about = {"root": options.root, "protocol": protocol_of(options), "hours": options.hours}
    settings |= {test_name(subset): about | {"subset": subset} for subset in tests}
    with writing_sets(options.out, settings) as writers:
        if writers.keys() & set(plan.sets):
            for reader, rows in reading({reader: readers[reader] for reader in plan.readers}, options):
                divide(writers, reader, rows, plan)
        for subset in tests:
            if test_name(subset) in writers:
                fill_test(writers[test_name(subset)], readers_of(options.root, [subset]), reading, options)


def reading(
    readers: dict[str, list[Path]], options: argparse.Namespace
) -> Iterator[tuple[str, list[Spoken | Dropped]]]:
    """Each reader with all that it says, read by several processes."""
    rows = parallel_map(partial(reader_of, options.root), list(readers.values()), options.nj, "reading")
    yield from zip(readers, rows, strict=True)


def reader_of(root: Path) -> Callable:
    """A function from a reader's folders to its rows."""
    return partial(read_reader, texts=transcripts(root))
