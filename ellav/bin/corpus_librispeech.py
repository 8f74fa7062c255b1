"""`ellav corpus librispeech`: LibriSpeech, mini_librispeech or LibriTTS, and the papers' test sets."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Collection, Iterator
from functools import partial
from pathlib import Path

from ellav.bin.corpus_options import (
    add_bounds,
    add_librispeech,
    add_readers,
    add_run,
    add_subsets,
    check_numbers,
    plan_of,
    prompt_seconds_of,
    protocol_of,
    settings_of,
    words,
)
from ellav.bin.options import parse, parser
from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.download import fetch_librispeech
from ellav.data.corpora.folder import FolderWriter
from ellav.data.corpora.librispeech import corpus_root, read_reader, readers_of
from ellav.data.corpora.pairing import pairs_of, read_list, write_pairs, write_reader
from ellav.data.corpora.readers import choose, sample
from ellav.data.corpora.sets import Writers, divide, writing_sets
from ellav.data.outputs import fingerprint
from ellav.data.parallel import parallel_map
from ellav.errors import UserError


def librispeech(argv: list[str]) -> None:
    """Write train, valid and the test sets of LibriSpeech, mini_librispeech or LibriTTS."""
    made = parser(
        "corpus librispeech",
        "Data folders from LibriSpeech's layout, SUBSET/READER/CHAPTER, or LibriTTS's. Sets: train and valid;"
        " test_unseen of --held-out-readers; test_seen of --seen-utterances; one of each of --test-subsets, with _ for"
        " -; or instead of these test_list of --test-list.",
    )
    add_subsets(made, ["train-clean-100"])
    add_readers(made, held_out="")
    add_librispeech(made)
    add_bounds(made, least=1.0, most=36.0)
    add_run(made)
    options = parse(made, argv)
    check_numbers(options)
    train, tests = subsets_of(options)
    root = librispeech_root(options, [*train, *tests])
    tested = readers_of(root, tests)
    readers = {reader: folders for reader, folders in readers_of(root, train).items() if reader not in tested}
    held_out = choose(options.held_out_readers, readers, options.seed, "--held-out-readers")
    seen: Collection[str] = ()
    if options.seen_utterances:
        subsets = {folder.parent for reader in held_out or readers for folder in readers[reader]}
        seen = [reader for reader, folders in readers.items() if subsets & {folder.parent for folder in folders}]
    plan = plan_of(options, readers, held_out, seen)
    settings = {"corpus": "librispeech", "root": root, "subsets": train, "form": options.libritts_text}
    settings["excluded"] = sorted(tested)
    with writing_sets(options.out, settings_of(plan, settings, options) | test_settings(options, root)) as writers:
        if writers.keys() & set(plan.sets):
            for reader, rows in reading({reader: readers[reader] for reader in plan.readers}, options):
                divide(writers, reader, rows, plan)
        write_tests(writers, root, options)


def subsets_of(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Those to train on and those to test. Raises UserError where none is to be trained on, or one is named twice."""
    train, tests = words(options.train_subsets), words(options.test_subsets)
    if not train:
        raise UserError("--train-subsets names none; there is nothing to train on")
    twice = next((subset for subset in train + tests if (train + tests).count(subset) > 1), None)
    if twice is not None:
        where = "both trained on and tested" if twice in train and twice in tests else "named twice"
        raise UserError(f"subset {twice!r} is {where}; name it once")
    return train, tests


def librispeech_root(options: argparse.Namespace, subsets: list[str]) -> Path:
    """The folder of LibriSpeech, with the subsets in it. Raises UserError where it is not named or not there."""
    if options.librispeech is None and options.download:
        options.librispeech = Path("downloads")
    if options.librispeech is None:
        raise UserError("where is the corpus? Give --librispeech DIR, or set its variable in db.sh")
    if options.download:
        fetch_librispeech(options.librispeech, subsets)
    return corpus_root(options.librispeech, subsets)


def reading(
    readers: dict[str, list[Path]], options: argparse.Namespace
) -> Iterator[tuple[str, list[Spoken | Dropped]]]:
    """Each reader with all that it says, read by several processes."""
    rows = parallel_map(partial(reader_of, options.libritts_text), list(readers.values()), options.nj, "reading")
    yield from zip(readers, rows, strict=True)


def reader_of(form: str) -> Callable:
    """A function from a reader's folders to its rows."""
    return partial(read_reader, form=form)


def test_settings(options: argparse.Namespace, root: Path | None) -> dict[str, dict]:
    """What the content of the test sets of LibriSpeech depends on."""
    tests = words(options.test_subsets)
    of_all = {"root": root, "form": options.libritts_text}
    if options.test_list is not None:
        if not tests:
            raise UserError("--test-list needs --test-subsets: where its recordings lie, for example test-clean")
        read_list(options.test_list)  # what is wrong with it is told before anything is made
        about = {"subsets": tests, "list": fingerprint(options.test_list), "prompt_seconds": prompt_seconds_of(options)}
        return {"test_list": of_all | about}
    of_all |= {"protocol": protocol_of(options), "hours": options.hours}
    return {test_name(subset): of_all | {"subset": subset} for subset in tests}


def test_name(subset: str) -> str:
    """The set of a test subset."""
    return subset.replace("-", "_")


def write_tests(writers: Writers, root: Path | None, options: argparse.Namespace) -> None:
    """Fill the test sets of LibriSpeech."""
    tests = words(options.test_subsets)
    if "test_list" in writers:
        write_list(writers, readers_of(root, tests), options)
    for subset in tests:
        writer = writers.get(test_name(subset))
        if writer is None:
            continue
        fill_test(writer, readers_of(root, [subset]), reading, options)


def fill_test(
    writer: FolderWriter, readers: dict[str, list[Path]], read: Callable[..., Iterator], options: argparse.Namespace
) -> None:
    """Fill the test set of a subset with all of its readers, or a sample. read: as `reading`."""
    if options.hours:
        readers = {reader: readers[reader] for reader in sorted(sample(readers, options.hours, options.seed).readers)}
    for _, rows in read(readers, options):
        for row in rows:
            if isinstance(row, Dropped):
                writer.drop(row)
        write_reader(writer, [row for row in rows if isinstance(row, Spoken)], protocol_of(options))


def write_list(writers: Writers, readers: dict[str, list[Path]], options: argparse.Namespace) -> None:
    """Fill test_list."""
    listed = read_list(options.test_list)
    named = {id for row in listed for id in (row.prompt, row.target)}
    found: dict[str, Spoken] = {}
    for _, rows in reading(readers, options):
        found |= {row.id: row for row in rows if isinstance(row, Spoken) and row.id in named}
    pairs = pairs_of(listed, found, options.test_list)
    write_pairs(writers["test_list"], pairs, prompt_seconds_of(options))
