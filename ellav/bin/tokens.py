"""`ellav tokens`: the token list, whole-frame durations and statistics."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.options import parse, parser
from ellav.config import read_yaml, yaml_text
from ellav.data.codes import of_frames
from ellav.data.dataset import Tokens
from ellav.data.durations import to_frames
from ellav.data.histograms import Histogram
from ellav.data.index import open_index, write_index
from ellav.data.kaldi import read_table, write_table
from ellav.data.outputs import need, read_record, write_text, writing
from ellav.data.rejected import Rejected, keep_good
from ellav.data.shards import SHARDS, parts_of, shard_folders
from ellav.data.silence import trim
from ellav.errors import UserError
from ellav.types import SILENCE

EDGE_SILENCE = 0.25
"""Seconds of silence that stay before and after the speech."""


class Row(NamedTuple):
    """One utterance: its phones, frames per phone (N,), how many frames, and which of the recording's they are."""

    phones: list[str]
    durations: np.ndarray
    frames: int
    kept: slice


class Inputs(NamedTuple):
    """Folders of earlier stages, each holding one folder per set."""

    raw: Path
    align: Path
    codes: Path

    def of(self, name: Path | str) -> list[Path]:
        """The three folders of a set, or of a part of one; raises UserError naming the stage that has not run."""
        return [
            need(self.raw / name, "2 (format wavs)"),
            need(self.align / name, "3 (alignment)"),
            need(self.codes / name, "4 (codes)"),
        ]

    def parts(self, name: str) -> list[Path]:
        """The shards of a set, or the set itself where it is not cut, below each of the folders."""
        return [folder.relative_to(self.align) for folder in shard_folders(self.align / name)]


def main(argv: list[str]) -> None:
    """Write list/{tokens.txt,stats.yaml}, and per set the tables that training reads."""
    made = parser("tokens", "Stage 5: token list, durations, statistics.")
    made.add_argument("--sets", nargs="+", required=True, help="sets to write; the training set among them")
    made.add_argument("--train-set", default="train", help="the set that list and statistics come from")
    made.add_argument("--raw", type=Path, required=True, help="folder of stage 2, one folder a set inside")
    made.add_argument("--align", type=Path, required=True, help="folder of stage 3, phones and their times")
    made.add_argument("--codes", type=Path, required=True, help="folder of stage 4")
    made.add_argument("--codec", type=Path, required=True, help="folder made by fit-codec")
    made.add_argument("--out", type=Path, required=True, help="folder to write, one folder a set and list/ inside")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances set aside")
    made.add_argument(
        "--edge-silence",
        type=float,
        default=EDGE_SILENCE,
        help="seconds of silence (`sp`) that stay at the beginning and at the end of an utterance",
    )
    made.add_argument(
        "--shard",
        type=int,
        default=None,
        metavar="K",
        help="write only this shard of the sets, from 1; the list is there",
    )
    made.add_argument(
        "--phones-from",
        type=Path,
        metavar="DIR",
        help="a packed model, or a folder of this stage, whose phones the list has too, however few are spoken here",
    )
    made.add_argument("--list-only", action="store_true", help="write only the list and the statistics")
    options = parse(made, argv)
    if options.train_set not in options.sets and options.shard is None:
        raise UserError(f"--train-set {options.train_set} is not among --sets {' '.join(options.sets)}")
    inputs = Inputs(options.raw, options.align, options.codes)
    codec = read_yaml(need(options.codec / "codec.yaml", "4 (codes)"))
    for name in options.sets:
        inputs.of(name)
    listed = options.out / "list"
    if options.edge_silence < 0:
        raise UserError(f"--edge-silence must not be negative, not {options.edge_silence:g}")
    silence = {"edge_silence": options.edge_silence}
    if options.shard is None:
        make_list(listed, inputs, codec, silence, options)
    tokens = Tokens.read(listed)
    for name in [] if options.list_only else options.sets:
        for part in parts_of(options.align / name, options.out / name, options.shard):
            make_set(name, part, tokens, listed, inputs, codec, options)
        if options.shard is None:
            open_index(options.out / name)  # made by now where the set is not cut
    if options.shard is None:
        print(f"{listed}: {len(tokens)} tokens, " + ", ".join(f"{key} {value}" for key, value in tokens.stats.items()))


def make_list(listed: Path, inputs: Inputs, codec: dict, silence: dict[str, float], options) -> None:
    """Write list/ from the training set, a shard at a time.

    silence: how silence was treated, for the statistics.
    """
    settings = {"train_set": options.train_set, **silence}
    sources, more = inputs.of(options.train_set), None
    if options.phones_from is not None:
        more = Tokens.read(options.phones_from / "list")
        sources = [*sources, *(options.phones_from / "list" / name for name in ("tokens.txt", "stats.yaml"))]
    with writing(listed, "5 (tokens)", settings, sources) as folder:
        if folder is None:
            return
        parts = inputs.parts(options.train_set)

        def rows() -> Iterator[Row]:
            for part in parts:
                read = read_rows(inputs, part, codec, options.edge_silence)
                yield from (row for _, row in read if isinstance(row, Row))

        pause = read_record(options.align / parts[0]).get("options", {}).get("least_pause")
        write_list(folder, rows, codec, silence | ({"least_pause": pause} if pause else {}), more)


def make_set(name: str, part: Path, tokens: Tokens, listed: Path, inputs: Inputs, codec: dict, options) -> None:
    """Write the tables of a set's part."""
    training = name == options.train_set
    settings = {"training": training, "edge_silence": options.edge_silence}
    place = Path(name) / part
    with writing(options.out / place, "5 (tokens)", settings, [listed, *inputs.of(place)]) as folder:
        if folder is not None:
            rows = fitting(read_rows(inputs, place, codec, options.edge_silence), tokens, training)
            write_set(folder, inputs, place, keep_good(rows, folder, options.max_rejected))


def read_rows(inputs: Inputs, name: Path, codec: dict, edge_silence: float) -> Iterator[tuple[str, Row | Rejected]]:
    """Every utterance that has times and codes; the others were set aside before.

    edge_silence: seconds that stay at either end.
    """
    phones = read_table(need(inputs.align / name / "phones", "3 (alignment)"))
    ends = read_table(inputs.align / name / "ends")
    frames = read_table(inputs.codes / name / "utt2num_frames")
    for utterance in phones:
        if utterance in ends and utterance in frames:
            where = f"{inputs.align / name}/ends: {utterance!r}"
            if not frames[utterance].isdecimal():
                number = frames[utterance]
                raise UserError(f"{inputs.codes / name}/utt2num_frames: {utterance!r}: {number!r}; rerun stage 4")
            said = phones[utterance].split()
            yield utterance, read_row(said, ends[utterance], int(frames[utterance]), codec, edge_silence, where)


def read_row(phones: list[str], ends: str, frames: int, codec: dict, edge_silence: float, where: str) -> Row | Rejected:
    """Whole-frame durations of one utterance, or why there are none."""
    try:
        times = np.array(ends.split(), dtype=np.float64)
    except ValueError as error:
        raise UserError(f"{where}: {error}; rerun stage 3") from None
    if not phones or len(times) != len(phones):
        raise UserError(f"{where}: {len(times)} times for {len(phones)} phones; rerun stage 3")
    off = times[-1] * codec["frame_rate"] - frames
    if abs(off) > 2:
        return Rejected(f"its alignment ends {off:.1f} frames after its codes; rerun stages 3 and 4 for it")
    try:
        silent = np.array([phone == SILENCE for phone in phones])
        durations = to_frames(times, codec["frame_rate"], frames, silent)
        durations, kept = trim(durations, silent, round(edge_silence * codec["frame_rate"]))
        return Row(phones, durations, kept.stop - kept.start, kept)
    except ValueError as error:
        return Rejected(str(error))


def write_list(
    folder: Path,
    rows: Callable[[], Iterable[Row]],
    codec: dict,
    silence: dict[str, float],
    more: Tokens | None = None,
) -> None:
    """The phones of the training set, silence first, and what their durations are like.

    rows: reads all utterances, which is done twice. silence: how silence was treated, for the statistics. more: what
    another training set has, which counts too: its phones, and what is the longest in it.
    """
    spoken, pauses, phones = Histogram(), Histogram(), set()
    for row in rows():
        silent = np.array([phone == SILENCE for phone in row.phones])
        spoken.add(row.durations[~silent])
        pauses.add(row.durations[silent])
        phones.update(row.phones)
    if not phones:
        raise UserError("no training utterance has phones, times and codes")
    most, most_silence = longest(spoken), longest(pauses)
    kept = frames = count = most_frames = 0
    for row in rows():
        if beyond(row, most, most_silence) is None:
            kept, frames, count = kept + 1, frames + row.frames, count + len(row.phones)
            most_frames = max(most_frames, row.frames)
    stats = {
        "frame_rate": codec["frame_rate"],
        "codebooks": codec["codebooks"],
        "codebook_size": codec["size"],
        "most_phone": most,
        "most_silence": most_silence,
        "mean_frames": round(frames / kept, 2),
        "frames_per_phone": round(frames / count, 4),
        "max_frames": most_frames,
        **silence,
    }
    if more is not None:
        phones.update(more.phones)
        stats |= {name: max(stats[name], more.stats[name]) for name in ("most_phone", "most_silence", "max_frames")}
    symbols = [SILENCE, *sorted(phones - {SILENCE})]
    write_text(folder / "tokens.txt", "".join(f"{symbol}\n" for symbol in symbols))
    write_text(folder / "stats.yaml", yaml_text(stats))


def longest(durations: Histogram) -> int:
    """Twice the 99th percentile: more frames than this are no good pronunciation, and no outlier moves it."""
    return math.ceil(2 * durations.percentile(99)) if len(durations) else 0


def beyond(row: Row, most: int, most_silence: int) -> str | None:
    """Which phone lasts longer than it may, if one does."""
    for phone, duration in zip(row.phones, row.durations, strict=True):
        bound = most_silence if phone == SILENCE else most
        if duration > bound:
            return f"phone {phone!r} lasts {duration} frames, more than {bound}"
    return None


def fitting(
    rows: Iterator[tuple[str, Row | Rejected]], tokens: Tokens, training: bool
) -> Iterator[tuple[str, Row | Rejected]]:
    """Reject what the token list does not know, and in training what lasts too long."""
    for utterance, row in rows:
        if isinstance(row, Row):
            unknown = sorted(set(row.phones) - tokens.id.keys())
            reason = f"phone {unknown[0]!r} is not in the training set" if unknown else None
            if training and not reason:
                reason = beyond(row, tokens.stats["most_phone"], tokens.stats["most_silence"])
            row = Rejected(reason) if reason else row
        yield utterance, row


def write_set(folder: Path, inputs: Inputs, name: Path, rows: dict[str, Row]) -> None:
    """The tables of one set or shard, all with the same utterances, and the index of a set that is not cut."""
    copied = {
        "word_of_phone": inputs.align / name / "word_of_phone",
        "pauses": inputs.align / name / "pauses",
        "codes.scp": inputs.codes / name / "codes.scp",
        "utt2spk": inputs.raw / name / "utt2spk",
        "text": inputs.raw / name / "text",
    }
    if (inputs.raw / name / "utt2lang").exists():
        copied["utt2lang"] = inputs.raw / name / "utt2lang"
    for file, source in copied.items():
        table = read_table(source)
        missing = [utterance for utterance in rows if utterance not in table]
        if missing:
            raise UserError(f"{source}: utterance {missing[0]!r} is missing ({len(missing)} such)")
        if file == "codes.scp":
            table = {utterance: of_frames(table[utterance], row.kept) for utterance, row in rows.items()}
        write_table(folder / file, {utterance: table[utterance] for utterance in rows})
    write_table(folder / "phones", {utterance: row.phones for utterance, row in rows.items()})
    write_table(folder / "durations", {utterance: row.durations.tolist() for utterance, row in rows.items()})
    write_table(folder / "utt2num_frames", {utterance: row.frames for utterance, row in rows.items()})
    if name.parent.name != SHARDS:
        write_index(folder)
    print(f"{folder.with_suffix('')}: {len(rows)} utterances")
