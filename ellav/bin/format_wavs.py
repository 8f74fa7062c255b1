"""`ellav format-wavs`: the waveforms of a data folder at one sample rate, mono, 16-bit FLAC."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.format_voices import Voice, voices_of
from ellav.bin.options import add_jobs, parse, parse_bool, parser
from ellav.data.arks import ArkWriter
from ellav.data.audio import clipped_share, encoded_wav, opened, read_recording, resample, write_wav
from ellav.data.checks import table_names
from ellav.data.copies import COPIES
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.outputs import need, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.data.shards import WHOLE, parts_of
from ellav.data.sounds import sound_entry
from ellav.data.warps import warp
from ellav.errors import UserError

MAX_CLIPPED = 0.01


class Cut(NamedTuple):
    """An utterance to make: all of `wav`, or what lies between start and end seconds, in a voice like it or another.
    out: the file to write; None: its content is handed back."""

    utterance: str
    wav: str
    start: float
    end: float | None
    out: Path | None
    voice: Voice = Voice()


class Made(NamedTuple):
    """What is known of an utterance that was made: rate (Hz) and share clipped of its recording.
    flac: the content of its file, where no file was written."""

    samples: int
    rate: int
    clipped: float
    flac: bytes = b""


def main(argv: list[str]) -> None:
    """Write wav/ (of a shard wav.ark), wav.scp, text, utt2spk, spk2utt, utt2num_samples, utt2original (of copies),
    rejected, and what else is known of utterances."""
    made = parser(
        "format-wavs",
        "Stage 2: waveforms at one sample rate, mono, 16-bit FLAC. Any format that libsndfile reads, told by the"
        " content and not by the name. Set aside: what is not readable, empty, truncated, silent (below -60 dB"
        " throughout), clipped beyond --max-clipped, or holds values that are no numbers.",
    )
    made.add_argument("--data", type=Path, required=True, help="data folder with wav.scp, text, utt2spk[, segments]")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument("--sample-rate", type=int, default=16000, help="Hz")
    made.add_argument(
        "--speed-perturb-factors",
        type=float,
        nargs="*",
        default=[],
        metavar="FACTOR",
        help="also make copies that are played so many times as fast, pitch and formants with it: utterance sp0.9-ID of"
        " speaker sp0.9-SPEAKER; the recordings as they are stay in the set, with or without a factor of 1",
    )
    made.add_argument(
        "--voice-warp-factors",
        nargs="*",
        default=[],
        metavar="F0xFORMANTS",
        help="also make copies in other voices of the same timing, by the WORLD vocoder: factors on F0 and on the"
        " formants, as 1.2x1.08; utterance vw1.2x1.08-ID of speaker vw1.2x1.08-SPEAKER",
    )
    add_jobs(made)
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    made.add_argument(
        "--max-clipped",
        type=float,
        default=MAX_CLIPPED,
        help="largest share of an utterance's samples that may be clipped (in runs of three or more at full scale);"
        " what is below is used and counted",
    )
    made.add_argument(
        "--allow-pipes", type=parse_bool, default=False, help="run commands that wav.scp holds (true|false)"
    )
    options = parse(made, argv)
    if options.sample_rate < 1000:
        raise UserError(f"--sample-rate is in Hz; {options.sample_rate} is too low for speech")
    need(options.data, "1 (data)")
    settings = {"sample_rate": options.sample_rate}
    if options.max_clipped != MAX_CLIPPED:
        settings["max_clipped"] = options.max_clipped
    voices = voices_of(options.speed_perturb_factors, options.voice_warp_factors)
    if voices:
        settings["voices"] = [voice.prefix for voice in voices]
    for part in parts_of(options.data, options.out, options.shard):
        format_set(options.data / part, options.out / part, part != WHOLE, voices, settings, options)


def format_set(source: Path, out: Path, archive: bool, voices: list[Voice], settings: dict, options) -> None:
    """One shard of a set, or the whole of one that is not cut.

    archive: all waveforms become one file, as there would be too many. settings: what is recorded.
    """
    with writing(out, "2 (format wavs)", settings, [source]) as folder:
        if folder is None:
            return
        data, cuts = read(source, None if archive else folder / "wav")
        data, cuts, original = perturbed(data, cuts, voices)
        make = partial(formatter, options.sample_rate, options.allow_pipes, options.max_clipped)
        run = partial(
            parallel_map, make, jobs=options.nj, title=f"formatting {options.data.name}", plugins=options.plugin
        )
        if archive:
            with ArkWriter(folder, "wav", out) as writer:
                kept = keep_good(archived(writer, cuts, run), folder, options.max_rejected)
            wavs = writer.places
        else:
            (folder / "wav").mkdir(exist_ok=True)
            results = zip((cut.utterance for cut in cuts), run(cuts), strict=True)
            kept = keep_good(results, folder, options.max_rejected)
            wavs = {utterance: str(out / "wav" / f"{utterance}.flac") for utterance in kept}
        samples = {utterance: one.samples for utterance, one in kept.items()}
        for line in remarks(kept, options.sample_rate):
            print(f"{out}: {line}", file=sys.stderr)
        for name in table_names(source):
            if name.startswith(("utt2", "targets")) and not name.startswith(("utt2num", "utt2dur", COPIES)):
                table = read_table(source / name)
                known = {utterance: table.get(original.get(utterance, utterance)) for utterance in samples}
                write_table(folder / name, {u: value for u, value in known.items() if value is not None})
        write_table(folder / "utt2num_samples", samples)
        if original:
            write_table(folder / COPIES, {copy: own for copy, own in original.items() if copy in samples})
        DataFolder(
            wavs={utterance: wavs[utterance] for utterance in samples},
            text={utterance: data.text[utterance] for utterance in samples},
            speakers={utterance: data.speakers[utterance] for utterance in samples},
        ).write(folder)
    hours = sum(samples.values()) / options.sample_rate / 3600
    print(f"{out}: {len(samples)} utterances, {hours:.2f} h")


def archived(writer: ArkWriter, cuts: list[Cut], run: Callable) -> Iterator[tuple[str, Made | Rejected]]:
    """Write utterances into an archive as they are made by `run`; those of an interrupted run are there already."""
    results = run([cut for cut in cuts if cut.utterance not in writer.notes])
    for cut in cuts:
        if cut.utterance not in writer.notes:
            result = next(results)
            if isinstance(result, Rejected):
                yield cut.utterance, result
                continue
            note = f"{result.samples},{result.rate},{result.clipped!r}"
            writer.write(cut.utterance, sound_entry(result.flac), note)
        samples, rate, clipped = writer.notes[cut.utterance].split(",")
        yield cut.utterance, Made(int(samples), int(rate), float(clipped))


def read(folder: Path, wavs: Path | None) -> tuple[DataFolder, list[Cut]]:
    """The data folder by utterance and what to cut; `segments` (utterance recording start
    end) is followed where there is one. wavs: where files are to be written. Raises UserError naming the faulty
    line's key."""

    def out(utterance: str) -> Path | None:
        return None if wavs is None else wavs / f"{utterance}.flac"

    if not (folder / "segments").exists():
        data = DataFolder.read(folder)
        return data, [Cut(u, path, 0.0, None, out(u)) for u, path in data.wavs.items()]
    recordings = read_table(folder / "wav.scp")
    cuts = []
    for utterance, line in read_table(folder / "segments").items():
        parts = line.split()
        try:
            recording, start, end = parts[0], float(parts[1]), float(parts[2])
        except (IndexError, ValueError):
            raise UserError(f"{folder}/segments: {utterance!r} is not `recording start end` in seconds") from None
        if recording not in recordings:
            raise UserError(f"{folder}/segments: {utterance!r} names {recording!r}, which is not in wav.scp")
        cuts.append(Cut(utterance, recordings[recording], start, None if end < 0 else end, out(utterance)))
    wavs_of = {cut.utterance: cut.wav for cut in cuts}
    data = DataFolder(wavs_of, read_table(folder / "text"), read_table(folder / "utt2spk"))
    for name, table in (("text", data.text), ("utt2spk", data.speakers)):
        odd = sorted(wavs_of.keys() ^ table.keys())
        if odd:
            raise UserError(f"{folder}: utterance {odd[0]!r} is not in both segments and {name} ({len(odd)} such)")
    return data, cuts


def perturbed(data: DataFolder, cuts: list[Cut], voices: list[Voice]) -> tuple[DataFolder, list[Cut], dict[str, str]]:
    """With a copy of every utterance in each voice; at last, the utterance that each copy is of.

    A copy has a speaker of its own: another speed is another pitch and another length of the vocal tract.
    """
    text, speakers = dict(data.text), dict(data.speakers)
    wavs, made, original = dict(data.wavs), list(cuts), {}
    for voice in voices:
        for cut in cuts:
            name = voice.prefix + cut.utterance
            wavs[name], text[name] = cut.wav, data.text[cut.utterance]
            speakers[name], original[name] = voice.prefix + data.speakers[cut.utterance], cut.utterance
            out = None if cut.out is None else cut.out.with_name(f"{name}.flac")
            made.append(cut._replace(utterance=name, out=out, voice=voice))
    return DataFolder(wavs, text, speakers), made, original


def formatter(sample_rate: int, allow_pipes: bool, max_clipped: float) -> Callable[[Cut], Made | Rejected]:
    """A function that makes one utterance, or says why it cannot be."""
    return partial(format_one, sample_rate, allow_pipes, max_clipped)


def format_one(sample_rate: int, allow_pipes: bool, max_clipped: float, cut: Cut) -> Made | Rejected:
    """Write one utterance, or hand it back; a file that an interrupted run already wrote is kept."""
    if "/" in cut.utterance:
        return Rejected("its id holds a '/' and cannot name a file")
    known = attempt(made_before, cut.out) if cut.out is not None and cut.out.exists() else None
    if isinstance(known, Made):
        return known
    mono = attempt(one_channel, sample_rate, allow_pipes, max_clipped, cut)
    if isinstance(mono, Rejected):
        return mono
    wav, made = mono
    # The comment is for the count of an interrupted run that goes on.
    comment = f"{made.rate} {made.clipped:.6f}"
    if cut.out is None:
        return made._replace(flac=encoded_wav(wav, sample_rate, "FLAC", comment))
    write_wav(cut.out, wav, sample_rate, comment)
    return made


def made_before(path: Path) -> Made | None:
    """What an earlier run noted in an utterance's file."""
    with opened(path) as file:
        notes = file.comment.split()
        return Made(file.frames, int(notes[0]), float(notes[1])) if len(notes) == 2 else None


def one_channel(sample_rate: int, allow_pipes: bool, max_clipped: float, cut: Cut) -> tuple[np.ndarray, Made]:
    """(samples,) at `sample_rate`, of an utterance that may be used. Raises UserError otherwise."""
    wav, rate = read_recording(cut.wav, cut.start, cut.end, allow_pipes)
    clipped = clipped_share(wav)
    if clipped > max_clipped:
        raise UserError(f"{cut.wav}: clipped, {clipped:.1%} of its samples are flat at full scale")
    mono = resample(wav.mean(axis=1), rate * cut.voice.speed, sample_rate)
    if not len(mono):
        raise UserError(f"{cut.wav}: too short for one sample at {sample_rate} Hz")
    if (cut.voice.pitch, cut.voice.tract) != (1, 1):
        mono = warp(mono, sample_rate, cut.voice.pitch, cut.voice.tract)
        mono = mono / max(1.0, np.abs(mono).max())
    return np.clip(mono, -1, 1).astype(np.float32), Made(len(mono), rate, clipped)


def remarks(made: dict[str, Made], sample_rate: int) -> list[str]:
    """A line for each kind of utterance that is used although something is the matter with it."""
    lines = []
    clipped = [utterance for utterance, one in made.items() if one.clipped > 0]
    if clipped:
        worst = max(clipped, key=lambda utterance: made[utterance].clipped)
        lines.append(f"{len(clipped)} of {len(made)} utterances are clipped, most {worst!r}: {made[worst].clipped:.2%}")
    low = [utterance for utterance, one in made.items() if one.rate < sample_rate]
    if low:
        lines.append(
            f"{len(low)} of {len(made)} utterances were recorded below {sample_rate} Hz, the first {low[0]!r} at"
            f" {made[low[0]].rate} Hz: their treble is missing"
        )
    return lines
