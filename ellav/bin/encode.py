"""`ellav encode`: the codes of a data folder's waveforms."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np

from ellav.bin.options import add_jobs, parse, parser
from ellav.data.audio import read_wav
from ellav.data.codes import CodesWriter
from ellav.data.kaldi import DataFolder, write_table
from ellav.data.outputs import need, writing
from ellav.data.parallel import parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.data.shards import parts_of
from ellav.errors import UserError
from ellav.plugins.codecs import load_codec


def main(argv: list[str]) -> None:
    """Write codes.ark, codes.scp, utt2num_frames and rejected."""
    made = parser("encode", "Stage 4: waveforms to codes.")
    made.add_argument("--data", type=Path, required=True, help="formatted data folder")
    made.add_argument("--codec", type=Path, required=True, help="folder made by fit-codec")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_jobs(made)
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    need(options.codec / "codec.yaml", "4 (codes)")
    frame_rate = load_codec(options.codec).frame_rate
    for part in parts_of(options.data, options.out, options.shard):
        encode(options.data / part, options.out / part, frame_rate, options)


def encode(data: Path, out: Path, frame_rate: float, options) -> None:
    """One shard of a set, or the whole of one that is not cut."""
    with writing(out, "4 (codes)", {}, [data, options.codec]) as folder:
        if folder is None:
            return
        wavs = DataFolder.read(data).wavs
        with CodesWriter(folder, out) as writer:
            todo = [path for utterance, path in wavs.items() if utterance not in writer.written]
            make = partial(encoder, options.codec)
            results = parallel_map(make, todo, options.nj, f"encoding {options.data.name}", options.plugin)
            frames = keep_good(write_all(writer, wavs, results), folder, options.max_rejected)
            write_table(folder / "utt2num_frames", frames)
    hours = sum(frames.values()) / frame_rate / 3600
    print(f"{out}: {len(frames)} utterances, {sum(frames.values())} frames, {hours:.2f} h")


def encoder(folder: Path) -> Callable[[str], np.ndarray | Rejected]:
    """A function that encodes one waveform, or says why it cannot be encoded."""
    return partial(attempt, encode_one, load_codec(folder))


def encode_one(codec, path: str) -> np.ndarray:
    """(T, Q) int16 of one file. Raises UserError where there are none."""
    wav = read_wav(path, codec.sample_rate)
    codes = codec.encode([wav])[0]
    if codes.shape != (codec.frames(len(wav)), codec.codebooks):
        raise UserError(f"codec {codec.name}: {path}: codes are {codes.shape}, not (frames, {codec.codebooks})")
    if not len(codes):
        raise UserError(f"{path}: too short for one frame")
    return codes


def write_all(writer: CodesWriter, wavs: dict[str, str], results: Iterator) -> Iterator[tuple[str, int | Rejected]]:
    """Write codes as they come; yields each utterance with its frames, or why it has none."""
    for utterance in wavs:
        if utterance not in writer.written:
            result = next(results)
            if isinstance(result, Rejected):
                yield utterance, result
                continue
            writer.write(utterance, result)
        yield utterance, writer.written[utterance]
