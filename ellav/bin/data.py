"""`ellav data check|fix|split|shards`: look after Kaldi-style data folders."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.format_wavs import MAX_CLIPPED
from ellav.bin.options import add_choice, parse, parse_bool, parser
from ellav.bin.phones import converter, in_languages
from ellav.data.audio import clipped_share, read_recording
from ellav.data.checks import folder_faults
from ellav.data.faults import Fault, listing, read_lines, read_rows
from ellav.data.held_out import draw, pool_of, write_part
from ellav.data.outputs import need, read_record, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt
from ellav.data.repairs import mend
from ellav.data.splitting import cut
from ellav.errors import UserError
from ellav.plugins.text import text


class Heard(NamedTuple):
    """What a recording is like: rate in Hz, channels, seconds, share of clipped samples."""

    rate: int
    channels: int
    seconds: float
    clipped: float


def main(argv: list[str]) -> None:
    """Run `ellav data ACTION ...`."""
    actions = {"check": check, "fix": fix, "split": split, "shards": shards}
    if argv and argv[0] in actions:
        return actions[argv[0]](argv[1:])
    if argv and argv[0] in ("-h", "--help"):
        print("usage: ellav data check|fix|split|shards [options]     (ellav data check --help shows them)")
        return None
    raise UserError(f"expected one of {', '.join(actions)}, as in `ellav data check data/train`")


def check(argv: list[str]) -> None:
    """Print the faults of folders by kind; raises UserError where there is one."""
    made = parser(
        "data check",
        "Report all faults of data folders at once: of their tables, of the files that wav.scp names (there, not"
        " empty), and on request of the audio and of the text.",
    )
    _add_folders(made)
    made.add_argument(
        "--audio",
        action="store_true",
        help="also read every recording: truncated, silent, clipped, not numbers; rates and lengths. Takes about as"
        " long as stage 2, which judges the same and sets single utterances aside",
    )
    made.add_argument("--max-clipped", type=float, default=MAX_CLIPPED, help="as in format-wavs")
    add_choice(made, "text", None, "text, to try it on every transcript")
    made.add_argument("--nj", type=int, default=1, help="processes for --audio and --text")
    made.add_argument("--show", type=int, default=5, help="how many faults of a kind to show")
    options = parse(made, argv)
    bad = []
    for folder in _folders(options):
        found = folder_faults(folder, options.allow_pipes)
        if options.audio and folder.is_dir():
            found.extend(audio_faults(folder, options))
        if options.text and folder.is_dir():
            found.extend(text_faults(folder, options))
        for line in listing(found, options.show):
            print(line)
        if found:
            bad.append(f"{folder}: {len(found)} faults")
        else:
            count = sum(1 for _ in read_lines(folder / "text", []))
            print(f"{folder}: {count} utterances, no fault found")
    if bad:
        raise UserError(f"{'; '.join(bad)} (above); mend them, or write a mended copy: ellav data fix DIR --out NEW")


def audio_faults(folder: Path, options: argparse.Namespace) -> list[Fault]:
    """The faults of the recordings that wav.scp names, each read whole; prints what they are like."""
    rows = {key: row for key, row in read_rows(folder / "wav.scp", []).items() if row.value}
    make = partial(listener, options.allow_pipes)
    heard = parallel_map(make, [row.value for row in rows.values()], options.nj, f"reading {folder.name}")
    faults, good = [], {}
    for (key, row), result in zip(rows.items(), heard, strict=True):
        where = f"{folder}/wav.scp:{row.number}"
        if isinstance(result, Rejected):
            faults.append(Fault("audio that cannot be used", where, f"{key!r}: {result.reason}", key))
            continue
        good[key] = result
        if result.clipped > options.max_clipped:
            what = f"{key!r}: {result.clipped:.1%} of its samples are flat at full scale"
            faults.append(Fault(f"clipped (more than {options.max_clipped:.1%})", where, what, key))
    if good:
        for line in described(good):
            print(f"{folder}: {line}")
    return faults


def described(heard: dict[str, Heard]) -> list[str]:
    """Lines on sample rates, channels, lengths and clipping."""
    rates = Counter(f"{one.rate} Hz" for one in heard.values())
    channels = Counter({1: "mono", 2: "stereo"}.get(one.channels, f"{one.channels} channels") for one in heard.values())
    seconds = np.array([one.seconds for one in heard.values()])
    ids = list(heard)
    short, long = ids[seconds.argmin()], ids[seconds.argmax()]
    return [
        ", ".join(f"{count} {kind}" for kinds in (rates, channels) for kind, count in kinds.most_common()),
        f"{seconds.sum() / 3600:.2f} h; shortest {short!r} {seconds.min():.2f} s, median {np.median(seconds):.2f} s,"
        f" longest {long!r} {seconds.max():.2f} s",
        f"{sum(one.clipped > 0 for one in heard.values())} with clipped samples",
    ]


def listener(allow_pipes: bool) -> Callable[[str], Heard | Rejected]:
    """A function that says what a recording is like, or why it is none."""

    def listen(wav: str) -> Heard:
        samples, rate = read_recording(wav, allow_pipes=allow_pipes)
        return Heard(rate, samples.shape[1], len(samples) / rate, clipped_share(samples))

    return partial(attempt, listen)


def text_faults(folder: Path, options: argparse.Namespace) -> list[Fault]:
    """The transcripts that the text front end refuses, and why."""
    rows = {key: row for key, row in read_rows(folder / "text", []).items() if row.value}
    make = partial(converter, options.text, options.text_conf)
    sentences = {key: row.value for key, row in rows.items()}
    spoken = in_languages(text.create(options.text, options.text_conf), folder, sentences)
    results = parallel_map(make, spoken, options.nj, f"speaking {folder.name}", options.plugin)
    return [
        Fault(f"text that {options.text} cannot speak", f"{folder}/text:{row.number}", f"{key!r}: {result.reason}", key)
        for (key, row), result in zip(rows.items(), results, strict=True)
        if isinstance(result, Rejected)
    ]


def fix(argv: list[str]) -> None:
    """Write a copy of a folder, mended, with the utterances that have audio, text and speaker."""
    made = parser(
        "data fix",
        "Write a mended copy of a data folder: sorted, in Unicode NFC, without byte order marks, CR, odd white space"
        " and lines that stand twice; spk2utt made anew; without utterances that lack something or are ambiguous,"
        " which the table `dropped` lists with the reasons. Recordings stay where they are.",
    )
    _add_folders(made)
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument(
        "--ascii-quotes",
        type=parse_bool,
        default=False,
        help="curly quotes to ASCII in text, for a front end that knows no others (g2p_en knows them)",
    )
    options = parse(made, argv)
    folders = _folders(options)
    if len(folders) > 1:
        raise UserError("give one folder at a time, with an --out of its own")
    source = folders[0]
    before = folder_faults(source, options.allow_pipes)
    if not source.is_dir():
        raise UserError(f"{source}: no such folder")
    _own(options.out, "data fix")
    settings = {"ascii_quotes": options.ascii_quotes, "allow_pipes": options.allow_pipes}
    with writing(options.out, "data fix", settings, [source]) as folder:
        if folder is not None:
            mend(source, folder, options.allow_pipes, options.ascii_quotes)
            if not (folder / "text").stat().st_size:
                nothing = "no utterance has audio, text and speaker; `ellav data check` says what is missing"
                raise UserError(f"{source}: {nothing}")
    after = folder_faults(options.out, options.allow_pipes)
    for kind, count in before.counts.items():
        if count > after.counts[kind]:
            print(f"mended: {kind}: {count - after.counts[kind]}")
    kept, dropped = (sum(1 for _ in read_lines(options.out / name, [])) for name in ("text", "dropped"))
    print(f"{options.out}: {kept} of {kept + dropped} utterances kept")
    if dropped:
        utterance, row = next(read_lines(options.out / "dropped", []))
        print(f"dropped {dropped}, the first {utterance!r}: {row.value}; all are in {options.out}/dropped")
    if after:
        print("not mended:", *listing(after, 5), sep="\n")


def split(argv: list[str]) -> None:
    """Write two folders: utterances held out (at random, or of some speakers), and the rest."""
    made = parser("data split", "Hold out utterances at random, or all utterances of some speakers.")
    made.add_argument("--data", type=Path, required=True)
    made.add_argument("--held-out", type=Path, required=True, help="folder to write")
    made.add_argument("--rest", type=Path, required=True, help="folder to write")
    made.add_argument("--utterances", type=int, default=None, help="how many to hold out")
    made.add_argument("--speakers", nargs="+", default=[], help="speakers to hold out")
    made.add_argument("--seed", type=int, default=0)
    options = parse(made, argv)
    if not options.speakers and options.utterances is None:
        raise UserError("give --utterances N, --speakers NAMES, or both (N utterances of those speakers)")
    pool = pool_of(options.data, options.speakers)
    count = pool.size if options.utterances is None else options.utterances
    if not 0 < count <= pool.size or count == pool.total:
        raise UserError(f"{options.data}: cannot hold out {count} of {pool.size} utterances ({pool.total} in all)")
    left = pool.total - (pool.size if options.speakers else count)
    if not left:
        raise UserError(f"{options.rest}: nothing would be left for it")
    places = draw(pool, count, options.seed)
    settings = {"utterances": options.utterances, "speakers": sorted(options.speakers), "seed": options.seed}
    for out, held, number in ((options.held_out, True, count), (options.rest, False, left)):
        _own(out, "data split")
        with writing(out, "data split", {**settings, "out": out.name}, [options.data]) as folder:
            if folder is not None:
                write_part(options.data, folder, pool, places, held)
        print(f"{out}: {number} utterances")


def shards(argv: list[str]) -> None:
    """Cut a folder into shards."""
    made = parser(
        "data shards",
        "Stage 2: cut a data folder into shards of neighbouring utterances, DIR/shards/K-of-N, on which the stages can"
        " work side by side.",
    )
    made.add_argument("--data", type=Path, required=True, help="data folder, its tables sorted")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument("--count", type=int, required=True, help="shards; no more than utterances")
    options = parse(made, argv)
    if options.count < 1:
        raise UserError(f"--count {options.count} is no number of shards")
    need(options.data, "1 (data)")
    print(f"{options.out}: {cut(options.data, options.out, options.count)} shards")


def _add_folders(made: argparse.ArgumentParser) -> None:
    made.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="data folder")
    made.add_argument("--data", type=Path, help="another way to name a folder")
    made.add_argument(
        "--allow-pipes", type=parse_bool, default=False, help="commands in wav.scp are none of the faults"
    )


def _folders(options: argparse.Namespace) -> list[Path]:
    folders = [*options.folders, *([options.data] if options.data else [])]
    if not folders:
        raise UserError("name a data folder, as in `ellav data check data/train`")
    return folders


def _own(out: Path, stage: str) -> None:
    """Refuse to replace a folder that this command has not made."""
    if out.exists() and read_record(out).get("stage") != stage:
        raise UserError(f"{out}: there already, and not made by `ellav {stage}`; name another folder")
