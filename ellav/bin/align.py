"""`ellav align`: when each phone of each utterance ends."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.options import add_choice, add_jobs, parse, parser
from ellav.data.audio import read_wav, seconds_of
from ellav.data.copies import stretched_copies
from ellav.data.journal import Journal
from ellav.data.kaldi import read_table, write_table
from ellav.data.option_files import file_hashes, named_files
from ellav.data.outputs import fingerprint, need, read_record, writing
from ellav.data.parallel import cores, parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.data.shards import parts_of, shard_folders
from ellav.data.silence import with_pauses
from ellav.data.sounds import as_file
from ellav.errors import UserError, one_line
from ellav.plugins.aligners import Aligner, Alignment, AlignmentError, Recording, SetAligner, accepts, aligners
from ellav.plugins.text import Phones

LEAST_PAUSE = 0.1
"""Seconds. The closure of a stop between two words is shorter."""


class Line(NamedTuple):
    """One utterance to align."""

    wav: str
    phones: Phones


def main(argv: list[str]) -> None:
    """Write the tables ends (seconds), phones, word_of_phone, pauses, scores (where the aligner has some), rejected.

    The phones are those of `ellav phones` and an `sp` for each pause; `pauses` holds the indices of these. Copies that
    `ellav format-wavs` made are not aligned: their times are those of the utterance that they are of.
    """
    made = parser(
        "align", "Stage 3: phones to the seconds at which they end; pauses between words become phones of their own."
    )
    made.add_argument("--data", type=Path, required=True, help="data folder made by format-wavs")
    made.add_argument("--phones", type=Path, required=True, help="folder made by phones")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    made.add_argument("--text", default=None, metavar="NAME", help="accepted and not needed: --phones knows it")
    made.add_argument(
        "--least-pause",
        type=float,
        default=LEAST_PAUSE,
        help="seconds from which a silence between two words becomes an `sp`, where the aligner tells of it",
    )
    made.add_argument(
        "--least-score",
        default=None,
        help="set aside what fits its words worse than this score; `auto`: the aligner's own threshold, if any",
    )
    add_jobs(made)
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    need(options.phones, "3 (phones)")
    aligner = aligners.get(options.aligner)
    phone_set = read_record(shard_folders(options.phones)[0]).get("options", {}).get("phone_set")
    if not accepts(aligner, phone_set):
        accepted = ", ".join(aligner.phone_sets)
        raise UserError(
            f"{options.phones}: phones of the set {phone_set!r}, but aligner {options.aligner} accepts: {accepted};"
            " choose another --text or --aligner"
        )
    files = named_files(aligner, options.aligner_conf, f"aligner {options.aligner}")
    created = aligners.create(options.aligner, options.aligner_conf)
    settings = {"aligner": aligners.record(options.aligner), "aligner_conf": options.aligner_conf}
    if options.least_pause <= 0:
        raise UserError(f"--least-pause must be above 0, not {options.least_pause:g}; inf keeps all as it is written")
    settings["least_pause"] = options.least_pause
    least = least_score(options.least_score, created)
    if least is not None:
        settings["least_score"] = least
    if files:
        settings["files"] = file_hashes(files)
    for part in parts_of(options.data, options.out, options.shard):
        align(
            Folders(*(place / part for place in (options.data, options.phones, options.out))),
            created,
            settings,
            options,
        )


class Folders(NamedTuple):
    """Of a shard of a set, or of the whole of one that is not cut: recordings, phones, and what is written."""

    data: Path
    phones: Path
    out: Path


def align(folders: Folders, created: Aligner | SetAligner, settings: dict, options) -> None:
    """One shard, or a whole set. created: the aligner. settings: what is recorded of it."""
    data, out = folders.data, folders.out
    with writing(out, "3 (alignment)", settings, [data, folders.phones]) as folder:
        if folder is None:
            return
        wavs = read_table(data / "wav.scp")
        lines = {utterance: Line(wavs[utterance], phones) for utterance, phones in read_phones(folders.phones).items()}
        copies = {
            copy: (original, stretch)
            for copy, (original, stretch) in stretched_copies(data).items()
            if copy in lines and original in lines and lines[copy].phones == lines[original].phones
        }
        originals = {utterance: line for utterance, line in lines.items() if utterance not in copies}
        with Journal(journal_of(folders, settings), stay=True) as journal:
            if hasattr(created, "align_set"):
                made = partial(aligning_set, created, data, folder=folder / "work", jobs=options.nj or cores())
                results = aligned_together(made, originals, journal)
            else:
                results = aligned_singly(originals, journal, options)
            results = with_copies(fitting_well(results, settings.get("least_score")), copies)
            found = keep_good(results, folder, options.max_rejected)
        shutil.rmtree(folder / "work", ignore_errors=True)
        spoken = {u: with_pauses(lines[u].phones, a, options.least_pause) for u, a in found.items()}
        write_table(folder / "ends", {u: [f"{end:.4f}" for end in ends] for u, (_, ends, _) in spoken.items()})
        write_table(folder / "phones", {u: phones.phones for u, (phones, _, _) in spoken.items()})
        write_table(folder / "word_of_phone", {u: phones.word_of_phone for u, (phones, _, _) in spoken.items()})
        write_table(folder / "pauses", {u: pauses.tolist() for u, (_, _, pauses) in spoken.items()})
        scored = {u: f"{a.score:.4f}" for u, a in found.items() if not math.isnan(a.score)}
        write_table(folder / "scores", scored)
    pauses = sum(len(places) for _, _, places in spoken.values())
    print(f"{out}: {len(found)} utterances" + (f", {pauses} pauses between words" if pauses else ""))


def least_score(wanted: str | None, aligner: object) -> float | None:
    """The score below which an utterance is set aside, if one is."""
    if wanted is None:
        return None
    if wanted == "auto":
        return getattr(aligner, "least_score", None)
    try:
        score = float(wanted)
    except ValueError:
        score = math.nan
    if math.isnan(score):
        raise UserError(f"--least-score must be a number or auto, not {wanted!r}")
    return score


def fitting_well(
    results: Iterable[tuple[str, Alignment | Rejected]], least: float | None
) -> Iterator[tuple[str, Alignment | Rejected]]:
    """The results; of those below `least`, why they are not used. What has no score is not judged."""
    for utterance, result in results:
        if least is not None and isinstance(result, Alignment) and result.score < least:
            result = Rejected(f"fits its words badly: score {result.score:.2f}, below {least:g}")
        yield utterance, result


def with_copies(
    results: Iterable[tuple[str, Alignment | Rejected]], copies: dict[str, tuple[str, float]]
) -> Iterator[tuple[str, Alignment | Rejected]]:
    """The results, each followed by those of its copies.

    copies: the original of each, and the factor on its times.
    """
    copies_of: dict[str, list[tuple[str, float]]] = {}
    for copy, (original, stretch) in copies.items():
        copies_of.setdefault(original, []).append((copy, stretch))
    for utterance, result in results:
        yield utterance, result
        for copy, stretch in copies_of.get(utterance, ()):
            if isinstance(result, Alignment):
                pauses = None if result.pauses is None else result.pauses * stretch
                yield copy, Alignment(result.ends * stretch, result.score, pauses)
            else:
                yield copy, Rejected(f"a copy of {utterance}: {result.reason}")


def journal_of(folders: Folders, settings: dict) -> Path:
    """Where alignments are kept whatever becomes of them: another --least-score or --max-rejected aligns nothing again.

    Beside the set's folder, one file for the aligner, its options, the recordings and the phones as they are now.
    """
    about = {name: settings[name] for name in ("aligner", "aligner_conf", "files") if name in settings}
    about["inputs"] = [fingerprint(folders.data), fingerprint(folders.phones)]
    key = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = folders.out.with_name(f"{folders.out.name}.aligned")
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name != f"{key}.jsonl":
            path.unlink()
    return folder / f"{key}.jsonl"


def aligned_singly(lines: dict[str, Line], journal: Journal, options) -> Iterator[tuple[str, Alignment | Rejected]]:
    """Each utterance with its alignment; those that an earlier run left in the journal are not made again."""
    make = partial(aligning, options.aligner, options.aligner_conf)
    found: dict[str, Alignment | Rejected] = {u: _alignment(plain) for u, plain in journal.found.items()}
    todo = [utterance for utterance in lines if utterance not in found]
    waiting = [lines[utterance] for utterance in todo]
    results = parallel_map(make, waiting, options.nj, f"aligning {options.data.name}", options.plugin)
    for utterance, result in zip(todo, results, strict=True):
        found[utterance] = result
        if isinstance(result, Alignment):  # what went wrong is tried again: it may have been mended
            journal.add(utterance, _plain(result))
    yield from ((utterance, found[utterance]) for utterance in lines)


def aligned_together(
    make: Callable[[dict[str, Line]], Iterator[Alignment | Rejected]], lines: dict[str, Line], journal: Journal
) -> Iterator[tuple[str, Alignment | Rejected]]:
    """The same by an aligner of whole sets, `make`: all at once, or none where the journal has them all."""
    if lines.keys() <= journal.found.keys():
        yield from ((utterance, _alignment(journal.found[utterance])) for utterance in lines)
        return
    for utterance, result in zip(lines, make(lines), strict=True):
        if isinstance(result, Alignment) and utterance not in journal.found:
            journal.add(utterance, _plain(result))
        yield utterance, result


def _plain(made: Alignment) -> dict:
    pauses = None if made.pauses is None else [float(pause) for pause in made.pauses]
    return {"ends": [float(end) for end in made.ends], "score": float(made.score), "pauses": pauses}


def _alignment(plain: dict) -> Alignment:
    pauses = None if plain["pauses"] is None else np.array(plain["pauses"])
    return Alignment(np.array(plain["ends"]), plain["score"], pauses)


def read_phones(folder: Path) -> dict[str, Phones]:
    """What `ellav phones` wrote. Raises UserError where the tables do not fit together."""
    phones, words, owners = (read_table(folder / name) for name in ("phones", "words", "word_of_phone"))
    found = {}
    for utterance, line in phones.items():
        symbols, owner = line.split(), owners.get(utterance, "").split()
        numbers = all(word.removeprefix("-").isdecimal() for word in owner)
        if len(symbols) != len(owner) or utterance not in words or not numbers:
            raise UserError(f"{folder}: {utterance!r} differs between phones, words and word_of_phone; rerun stage 3")
        found[utterance] = Phones(symbols, [int(word) for word in owner], words[utterance].split())
    return found


def aligning(name: str, conf: dict) -> Callable[[Line], Alignment | Rejected]:
    """A function from a line to its alignment, or to why there is none."""
    aligner = aligners.create(name, conf)

    def align(line: Line) -> Alignment:
        return aligner.align(read_wav(line.wav, aligner.sample_rate), line.phones)

    return partial(attempt, align)


def aligning_set(
    aligner: SetAligner, data: Path, lines: dict[str, Line], folder: Path, jobs: int
) -> Iterator[Alignment | Rejected]:
    """The alignments of a whole set, in order; folder: for the aligner's own files."""
    folder.mkdir(exist_ok=True)
    speakers = read_table(data / "utt2spk")
    lengths = {utterance: attempt(seconds_of, line.wav) for utterance, line in lines.items()}
    sounds = folder / "sounds"
    recordings = {
        utterance: Recording(
            as_file(lines[utterance].wav, sounds, utterance), seconds, speakers[utterance], lines[utterance].phones
        )
        for utterance, seconds in lengths.items()
        if not isinstance(seconds, Rejected)
    }
    aligned = dict(zip(recordings, aligner.align_set(recordings, folder, jobs), strict=True)) if recordings else {}
    for utterance, unreadable in lengths.items():
        result = aligned.get(utterance, unreadable)
        yield Rejected(one_line(result)) if isinstance(result, AlignmentError) else result
