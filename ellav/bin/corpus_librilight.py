"""`ellav corpus librilight`: Libri-Light cut at its pauses, with the transcripts of Libriheavy or of a transcriber."""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator
from functools import partial
from itertools import groupby
from pathlib import Path

from ellav.bin.corpus_librispeech import librispeech_root, test_settings, write_tests
from ellav.bin.corpus_options import (
    add_bounds,
    add_librispeech,
    add_readers,
    add_run,
    check_numbers,
    plan_of,
    settings_of,
    words,
)
from ellav.bin.options import add_choice, parse, parser
from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.download import fetch_libriheavy, fetch_librilight
from ellav.data.corpora.libriheavy import cuts, manifest
from ellav.data.corpora.librilight import SUBSETS, corpus_root, readers_of, recordings_of, sampled
from ellav.data.corpora.librispeech import readers_of as librispeech_readers
from ellav.data.corpora.pauses import Lengths
from ellav.data.corpora.readers import RANDOM, choose
from ellav.data.corpora.recognised import recogniser, store
from ellav.data.corpora.sets import Plan, Writers, divide, writing_sets
from ellav.data.option_files import file_hashes
from ellav.data.parallel import parallel_map
from ellav.errors import UserError
from ellav.plugins.transcribers import transcribers


def librilight(argv: list[str]) -> None:
    """Write train, valid, test_unseen, and test sets of LibriSpeech."""
    made = parser(
        "corpus librilight",
        "Data folders with segments from Libri-Light's layout, SUBSET/READER/BOOK/*.flac with a .json beside each."
        " Sets: train and valid; test_unseen of --held-out-readers; and with --librispeech those of its --test-subsets"
        " or --test-list, whose readers are not trained on.",
    )
    made.add_argument("--librilight", type=Path, help="folder that holds small, medium and large")
    made.add_argument("--subsets", nargs="+", default=["small"], help=f"of {', '.join(SUBSETS)}")
    made.add_argument(
        "--transcripts",
        default="libriheavy",
        choices=["libriheavy", "asr"],
        help="whose words: Libriheavy's, with its own cuts, or --transcriber's, of pieces cut at pauses",
    )
    made.add_argument("--libriheavy", type=Path, help="folder of libriheavy_cuts_SUBSET.jsonl.gz")
    made.add_argument(
        "--most-disagreement",
        type=float,
        default=0.3,
        help="Libriheavy: largest share of words in which the book and what was heard may differ",
    )
    add_choice(made, "transcriber", "whisper", "transcribers")
    made.add_argument(
        "--least-confidence", type=float, default=0.0, help="of a transcriber that tells how sure it is, from 0 to 1"
    )
    made.add_argument("--most-pause", type=float, default=2.0, help="asr: seconds of silence inside a piece, at most")
    made.add_argument("--margin", type=float, default=0.1, help="asr: seconds of silence to keep around a piece")
    add_readers(made, held_out=f"{RANDOM}8")
    add_librispeech(made)
    add_bounds(made, least=4.0, most=20.0)
    add_run(made)
    options = parse(made, argv)
    check_numbers(options)
    subsets, tests = words(options.subsets), words(options.test_subsets)
    if options.download:
        options.librilight = options.librilight or Path("downloads")
        options.libriheavy = options.libriheavy or options.librilight
    if options.librilight is None:
        raise UserError("where is the corpus? Give --librilight DIR, or set LIBRILIGHT in db.sh")
    if options.download:
        fetch_librilight(options.librilight, subsets)
    root = corpus_root(options.librilight, subsets)
    librispeech = librispeech_root(options, tests) if tests else None
    tested = librispeech_readers(librispeech, tests) if tests else {}
    readers = {reader: folders for reader, folders in readers_of(root, subsets).items() if reader not in tested}
    held_out = choose(options.held_out_readers, readers, options.seed, "--held-out-readers")
    options.seen_utterances = options.valid_utterances = 0
    plan = plan_of(options, readers, held_out)
    settings = {"corpus": "librilight", "root": root, "subsets": subsets, "excluded": sorted(tested)}
    with_words = {"libriheavy": from_libriheavy, "asr": from_transcriber}[options.transcripts]
    settings |= settings_of_words(options, subsets)
    with writing_sets(
        options.out, settings_of(plan, settings, options) | test_settings(options, librispeech)
    ) as writers:
        if writers.keys() & set(plan.sets):
            with_words(writers, readers, plan, options)
        write_tests(writers, librispeech, options)


def settings_of_words(options: argparse.Namespace, subsets: list[str]) -> dict:
    """What transcripts and pieces depend on."""
    if options.transcripts == "libriheavy":
        if options.libriheavy is None:
            raise UserError("--transcripts libriheavy needs --libriheavy DIR, or LIBRIHEAVY in db.sh")
        if options.download:
            fetch_libriheavy(options.libriheavy, subsets)
        files = {subset: manifest(options.libriheavy, subset) for subset in subsets}
        return {"manifests": file_hashes(files), "most_disagreement": options.most_disagreement}
    transcribers.get(options.transcriber)  # a wrong name is told before anything is read
    return {
        "transcriber": transcribers.record(options.transcriber),
        "transcriber_conf": options.transcriber_conf,
        "least_confidence": options.least_confidence,
        "pieces": lengths_of(options),
    }


def lengths_of(options: argparse.Namespace) -> Lengths:
    """What pieces may be like."""
    return Lengths(options.least_seconds, options.most_seconds, options.most_pause, options.margin)


def from_libriheavy(writers: Writers, readers: dict[str, list[Path]], plan: Plan, options: argparse.Namespace) -> None:
    """Divide what the manifests say. They are not in the order of readers; only test sets are collected by reader."""
    wanted = set(plan.readers)
    tests: dict[str, list[Spoken | Dropped]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)
    for subset in words(options.subsets):
        rows = cuts(manifest(options.libriheavy, subset), options.librilight, options.most_disagreement)
        for reader, group in groupby(rows, key=reader_of):
            if reader in plan.held_out:
                tests[reader] += group
            elif reader in wanted and seconds[reader] < plan.seconds:
                divide(writers, reader, counted(group, seconds, reader), plan)
            elif reader not in readers and "train" in writers:  # lines that are no cuts, and recordings not there
                for row in group:
                    if isinstance(row, Dropped):
                        writers["train"].drop(row)
    for reader, rows in tests.items():
        divide(writers, reader, rows, plan)


def reader_of(row: Spoken | Dropped) -> str:
    """Whose row it is; ids begin with it."""
    return row.speaker if isinstance(row, Spoken) else row.id.partition("-")[0]


def counted(rows, seconds: dict[str, float], reader: str) -> Iterator[Spoken | Dropped]:
    """The rows; counts how much the reader has said."""
    for row in rows:
        seconds[reader] += row.seconds if isinstance(row, Spoken) else 0
        yield row


def from_transcriber(writers: Writers, readers: dict[str, list[Path]], plan: Plan, options: argparse.Namespace) -> None:
    """Divide the pieces of all recordings, recognised by several processes; test sets are collected by reader."""
    recordings = []
    for reader in plan.readers:
        recordings += sampled(list(recordings_of(readers[reader])), plan.seconds)
    folder = store(options.out, options.transcriber, options.transcriber_conf)
    folder.mkdir(parents=True, exist_ok=True)
    each = plan.seconds if options.hours is None else min(plan.seconds, 60.0)
    settings = (options.transcriber, options.transcriber_conf, lengths_of(options), options.least_confidence)
    make = partial(recogniser, *settings, each, folder)
    results = parallel_map(make, recordings, options.nj, "recognising", options.plugin)
    tests: dict[str, list[Spoken | Dropped]] = defaultdict(list)
    for recording, rows in zip(recordings, results, strict=True):
        reader = reader_of(recording) if isinstance(recording, Dropped) else recording.reader
        if reader in plan.held_out:
            tests[reader] += rows
        else:
            divide(writers, reader, rows, plan)
    for reader, rows in tests.items():
        divide(writers, reader, rows, plan)
