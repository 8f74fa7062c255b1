"""`ellav align`: when each phone of each utterance ends."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.format_wavs import resample
from ellav.bin.options import add_choice, parse, parser
from ellav.bin.rejected import Rejected, keep_good
from ellav.data.journal import Journal
from ellav.data.kaldi import read_table, write_table
from ellav.data.option_files import file_hashes, named_files
from ellav.data.outputs import need, read_record, writing
from ellav.data.parallel import parallel_map
from ellav.errors import UserError
from ellav.plugins.aligners import Alignment, AlignmentError, Recording, SetAligner, accepts, aligners
from ellav.plugins.text import Phones


class Line(NamedTuple):
    """One utterance to align."""

    wav: str
    phones: Phones


def main(argv: list[str]) -> None:
    """Write the tables ends (seconds), scores (where the aligner has some) and rejected."""
    made = parser("align", "Stage 3: phones to the seconds at which they end.")
    made.add_argument("--data", type=Path, required=True, help="data folder made by format-wavs")
    made.add_argument("--phones", type=Path, required=True, help="folder made by phones")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_choice(made, "aligner", "pocketsphinx", "aligners")
    made.add_argument("--text", default=None, metavar="NAME", help="accepted and not needed: --phones knows it")
    made.add_argument(
        "--least-score",
        default=None,
        help="set aside what fits its words worse than this score; `auto`: the aligner's own threshold, if any",
    )
    made.add_argument("--nj", type=int, default=1, help="processes")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    need(options.phones, "3 (phones)")
    aligner = aligners.get(options.aligner)
    phone_set = read_record(options.phones).get("options", {}).get("phone_set")
    if not accepts(aligner, phone_set):
        accepted = ", ".join(aligner.phone_sets)
        raise UserError(
            f"{options.phones}: phones of the set {phone_set!r}, but aligner {options.aligner} accepts: {accepted};"
            " choose another --text or --aligner"
        )
    files = named_files(aligner, options.aligner_conf, f"aligner {options.aligner}")
    created = aligners.create(options.aligner, options.aligner_conf)
    settings = {"aligner": aligners.record(options.aligner), "aligner_conf": options.aligner_conf}
    least = least_score(options.least_score, created)
    if least is not None:
        settings["least_score"] = least
    if files:
        settings["files"] = file_hashes(files)
    with writing(options.out, "3 (alignment)", settings, [options.data, options.phones]) as folder:
        if folder is None:
            return
        wavs = read_table(options.data / "wav.scp")
        lines = {utterance: Line(wavs[utterance], phones) for utterance, phones in read_phones(options.phones).items()}
        if hasattr(created, "align_set"):
            results = zip(lines, aligning_set(created, options.data, lines, folder / "work", options.nj), strict=True)
        else:
            results = aligned_singly(lines, folder, options)
        found = keep_good(fitting_well(results, least), folder, options.max_rejected)
        shutil.rmtree(folder / "work", ignore_errors=True)
        write_table(folder / "ends", {u: [f"{end:.4f}" for end in a.ends] for u, a in found.items()})
        scored = {u: f"{a.score:.4f}" for u, a in found.items() if not math.isnan(a.score)}
        write_table(folder / "scores", scored)
    print(f"{options.out}: {len(found)} utterances")


def least_score(wanted: str | None, aligner: object) -> float | None:
    """The score below which an utterance is set aside, if one is."""
    if wanted is None:
        return None
    if wanted == "auto":
        return getattr(aligner, "least_score", None)
    try:
        return float(wanted)
    except ValueError:
        raise UserError(f"--least-score must be a number or auto, not {wanted!r}") from None


def fitting_well(
    results: Iterable[tuple[str, Alignment | Rejected]], least: float | None
) -> Iterator[tuple[str, Alignment | Rejected]]:
    """The results; of those below `least`, why they are not used. What has no score is not judged."""
    for utterance, result in results:
        if least is not None and isinstance(result, Alignment) and result.score < least:
            result = Rejected(f"fits its words badly: score {result.score:.2f}, below {least:g}")
        yield utterance, result


def aligned_singly(lines: dict[str, Line], folder: Path, options) -> Iterator[tuple[str, Alignment | Rejected]]:
    """Each utterance with its alignment; those that an interrupted run left in `folder` are not made again."""
    make = partial(aligning, options.aligner, options.aligner_conf)
    with Journal(folder / "aligned.jsonl") as journal:
        todo = [utterance for utterance in lines if utterance not in journal.found]
        waiting = [lines[utterance] for utterance in todo]
        results = parallel_map(make, waiting, options.nj, f"aligning {options.data.name}", options.plugin)
        for utterance, result in zip(todo, results, strict=True):
            journal.add(utterance, _plain(result))
        found = journal.found
    yield from ((utterance, _result(found[utterance])) for utterance in lines)


def _plain(result: Alignment | Rejected) -> dict:
    if isinstance(result, Rejected):
        return {"reason": result.reason}
    return {"ends": [float(end) for end in result.ends], "score": float(result.score)}


def _result(plain: dict) -> Alignment | Rejected:
    return Rejected(**plain) if "reason" in plain else Alignment(np.array(plain["ends"]), plain["score"])


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
    import soundfile as sf

    aligner = aligners.create(name, conf)

    def align(line: Line) -> Alignment | Rejected:
        try:
            wav, rate = sf.read(line.wav, dtype="float32")
            return aligner.align(resample(wav, rate, aligner.sample_rate), line.phones)
        except AlignmentError as error:
            return Rejected(str(error))
        except (sf.LibsndfileError, OSError) as error:
            raise UserError(f"{line.wav}: not readable ({error}); rerun stage 2") from None

    return align


def aligning_set(
    aligner: SetAligner, data: Path, lines: dict[str, Line], folder: Path, jobs: int
) -> Iterator[Alignment | Rejected]:
    """The alignments of a whole set, in order; folder: for the aligner's own files."""
    import soundfile as sf

    folder.mkdir(exist_ok=True)
    speakers = read_table(data / "utt2spk")
    recordings = {}
    for utterance, line in lines.items():
        try:
            seconds = sf.info(line.wav).duration
        except (sf.LibsndfileError, OSError) as error:
            raise UserError(f"{line.wav}: not readable ({error}); rerun stage 2") from None
        recordings[utterance] = Recording(Path(line.wav), seconds, speakers[utterance], line.phones)
    for result in aligner.align_set(recordings, folder, jobs):
        yield Rejected(str(result)) if isinstance(result, AlignmentError) else result
