"""`ellav format-wavs`: the waveforms of a data folder at one sample rate, mono, 16-bit FLAC."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.bin.options import parse, parse_bool, parser
from ellav.bin.rejects import Rejected, keep
from ellav.data.audio import resample, write_wav
from ellav.data.kaldi import DataFolder, read_table, write_table
from ellav.data.outputs import need, writing
from ellav.data.parallel import parallel_map
from ellav.errors import UserError


class Cut(NamedTuple):
    """An utterance to make: all of `wav`, or what lies between start and end seconds."""

    utterance: str
    wav: str
    start: float
    end: float | None
    out: Path


def main(argv: list[str]) -> None:
    """Write wav/, wav.scp, text, utt2spk, spk2utt, utt2num_samples and rejected."""
    made = parser("format-wavs", "Stage 2: waveforms at one sample rate, mono, 16-bit FLAC.")
    made.add_argument("--data", type=Path, required=True, help="data folder with wav.scp, text, utt2spk[, segments]")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    made.add_argument("--sample-rate", type=int, default=16000, help="Hz")
    made.add_argument("--nj", type=int, default=1, help="processes")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    made.add_argument(
        "--allow-pipes", type=parse_bool, default=False, help="run commands that wav.scp holds (true|false)"
    )
    options = parse(made, argv)
    if options.sample_rate < 1000:
        raise UserError(f"--sample-rate is in Hz; {options.sample_rate} is too low for speech")
    need(options.data, "1 (data)")
    settings = {"sample_rate": options.sample_rate}
    with writing(options.out, "2 (format wavs)", settings, [options.data]) as folder:
        if folder is None:
            return
        data, cuts = read(options.data, folder / "wav")
        (folder / "wav").mkdir(exist_ok=True)
        make = partial(formatter, options.sample_rate, options.allow_pipes)
        results = parallel_map(make, cuts, options.nj, f"formatting {options.data.name}", options.plugin)
        samples = keep(zip((cut.utterance for cut in cuts), results, strict=True), folder, options.max_rejected)
        write_table(folder / "utt2num_samples", samples)
        DataFolder(
            wavs={utterance: str(options.out / "wav" / f"{utterance}.flac") for utterance in samples},
            text={utterance: data.text[utterance] for utterance in samples},
            speakers={utterance: data.speakers[utterance] for utterance in samples},
        ).write(folder)
    hours = sum(samples.values()) / options.sample_rate / 3600
    print(f"{options.out}: {len(samples)} utterances, {hours:.2f} h")


def read(folder: Path, wavs: Path) -> tuple[DataFolder, list[Cut]]:
    """The data folder by utterance and what to cut; `segments` (utterance recording start
    end) is followed where there is one. Raises UserError naming the faulty line's key."""
    if not (folder / "segments").exists():
        data = DataFolder.read(folder)
        return data, [Cut(u, path, 0.0, None, wavs / f"{u}.flac") for u, path in data.wavs.items()]
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
        cuts.append(Cut(utterance, recordings[recording], start, None if end < 0 else end, wavs / f"{utterance}.flac"))
    wavs_of = {cut.utterance: cut.wav for cut in cuts}
    data = DataFolder(wavs_of, read_table(folder / "text"), read_table(folder / "utt2spk"))
    for name, table in (("text", data.text), ("utt2spk", data.speakers)):
        odd = sorted(wavs_of.keys() ^ table.keys())
        if odd:
            raise UserError(f"{folder}: utterance {odd[0]!r} is not in both segments and {name} ({len(odd)} such)")
    return data, cuts


def formatter(sample_rate: int, allow_pipes: bool = False) -> Callable[[Cut], int | Rejected]:
    """A function that makes one utterance and returns its samples, or why it cannot be."""
    return partial(format_one, sample_rate, allow_pipes)


def format_one(sample_rate: int, allow_pipes: bool, cut: Cut) -> int | Rejected:
    """Write one utterance; what an interrupted run already wrote is kept.

    allow_pipes: a wav that ends in `|` is a command, whose output is the audio file.
    """
    import soundfile as sf

    if cut.out.exists():
        return sf.info(cut.out).frames
    is_command = cut.wav.endswith("|")
    if is_command and not allow_pipes:
        return Rejected(f"{cut.wav!r} is a command; commands run only with --allow-pipes true")
    if "/" in cut.utterance:
        return Rejected("its id holds a '/' and cannot name a file")
    try:
        source = io.BytesIO(subprocess.check_output(cut.wav[:-1], shell=True)) if is_command else cut.wav
        with sf.SoundFile(source) as file:
            rate, promised = file.samplerate, file.frames
            start = round(cut.start * rate)
            stop = promised if cut.end is None else round(cut.end * rate)
            if not 0 <= start < stop or start >= promised:
                return Rejected(f"{cut.wav}: empty" if cut.end is None else f"{cut.wav}: empty between start and end")
            file.seek(start)
            wav = file.read(min(stop, promised) - start, dtype="float32", always_2d=True)  # (samples, channels)
    except (sf.LibsndfileError, OSError, subprocess.CalledProcessError) as error:
        return Rejected(f"{cut.wav}: not readable ({' '.join(str(error).split())})")
    if len(wav) < min(stop, promised) - start or stop > promised + 0.1 * rate:
        return Rejected(f"{cut.wav}: truncated, {(start + len(wav)) / rate:.2f} s are there")
    if not np.isfinite(wav).all():
        return Rejected(f"{cut.wav}: holds values that are not numbers")
    mono = resample(wav.mean(axis=1), rate, sample_rate)
    if not mono.any():
        return Rejected(f"{cut.wav}: nothing but zeros")
    write_wav(cut.out, np.clip(mono, -1, 1), sample_rate)
    return len(mono)
