"""`ellav encode`: the codes of a data folder's waveforms, one by one or, on a GPU, in batches."""

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
from ellav.data.parallel import CHUNK, parallel_map
from ellav.data.rejected import Rejected, attempt, keep_good
from ellav.data.shards import parts_of
from ellav.errors import UserError
from ellav.models.device import choose_device
from ellav.plugins.codecs import Codec, load_codec

WINDOW = 256
"""Utterances in a row that a GPU's batches are made of, those of like length together."""


def main(argv: list[str]) -> None:
    """Write codes.ark, codes.scp, utt2num_frames and rejected."""
    made = parser("encode", "Stage 4: waveforms to codes.")
    made.add_argument("--data", type=Path, required=True, help="formatted data folder")
    made.add_argument("--codec", type=Path, required=True, help="folder made by fit-codec")
    made.add_argument("--out", type=Path, required=True, help="folder to write")
    add_jobs(made)
    made.add_argument("--device", default="cpu", help="cpu, or cuda: a GPU takes many utterances at once")
    made.add_argument("--max-rejected", type=float, default=0.05, help="largest share of utterances that may fail")
    options = parse(made, argv)
    need(options.data, "2 (format wavs)")
    need(options.codec / "codec.yaml", "4 (codes)")
    device = str(choose_device(options.device))
    frame_rate = loaded(options.codec, device).frame_rate
    for part in parts_of(options.data, options.out, options.shard):
        encode(options.data / part, options.out / part, frame_rate, device, options)


def encode(data: Path, out: Path, frame_rate: float, device: str, options) -> None:
    """One shard of a set, or the whole of one that is not cut."""
    on_gpu = device != "cpu"
    with writing(out, "4 (codes)", {"device": "cuda"} if on_gpu else {}, [data, options.codec]) as folder:
        if folder is None:
            return
        wavs = DataFolder.read(data).wavs
        windows = windows_of(list(wavs), WINDOW if on_gpu else 1)
        with CodesWriter(folder, out) as writer:
            # The windows are those of all utterances, so that an interrupted run's codes are no others.
            todo = [window for window in windows if not writer.written.keys() >= set(window)]
            make = partial(encoder, options.codec, device)
            paths = [[wavs[utterance] for utterance in window] for window in todo]
            title = f"encoding {options.data.name}"
            results = parallel_map(make, paths, options.nj, title, options.plugin, 1 if on_gpu else CHUNK)
            frames = keep_good(write_all(writer, windows, results), folder, options.max_rejected)
            write_table(folder / "utt2num_frames", frames)
    hours = sum(frames.values()) / frame_rate / 3600
    print(f"{out}: {len(frames)} utterances, {sum(frames.values())} frames, {hours:.2f} h")


def windows_of(utterances: list[str], size: int) -> list[list[str]]:
    """So many in a row each."""
    return [utterances[begin : begin + size] for begin in range(0, len(utterances), size)]


def loaded(folder: Path, device: str) -> Codec:
    """The codec, on its device. Raises UserError for one that does not compute there."""
    codec = load_codec(folder)
    if device != "cpu":
        if not hasattr(codec, "to"):
            raise UserError(f"codec {codec.name} computes on a CPU only: leave --device (--gpu-encode of tts.sh) out")
        codec.to(device)
    return codec


def encoder(folder: Path, device: str = "cpu") -> Callable[[list[str]], list[np.ndarray | Rejected]]:
    """A function that encodes some waveforms, and says of each why it cannot be encoded."""
    return partial(encode_some, loaded(folder, device))


def encode_some(codec: Codec, paths: list[str]) -> list[np.ndarray | Rejected]:
    """(T, Q) int16 of each file: of all together, or each by itself where that fails, so that it is known of which."""
    if len(paths) > 1:
        wavs = [attempt(read_wav, path, codec.sample_rate) for path in paths]
        good = [i for i, wav in enumerate(wavs) if not isinstance(wav, Rejected)]
        coded = attempt(codec.encode, [wavs[i] for i in good])
        if not isinstance(coded, Rejected):
            made = dict(zip(good, coded, strict=True))
            return [
                attempt(checked, codec, path, wav, made[i]) if i in made else wav
                for i, (path, wav) in enumerate(zip(paths, wavs, strict=True))
            ]
    return [attempt(encode_one, codec, path) for path in paths]


def encode_one(codec: Codec, path: str) -> np.ndarray:
    """(T, Q) int16 of one file. Raises UserError where there are none."""
    wav = read_wav(path, codec.sample_rate)
    return checked(codec, path, wav, codec.encode([wav])[0])


def checked(codec: Codec, path: str, wav: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Codes that are as many as they should be."""
    if codes.shape != (codec.frames(len(wav)), codec.codebooks):
        raise UserError(f"codec {codec.name}: {path}: codes are {codes.shape}, not (frames, {codec.codebooks})")
    if not len(codes):
        raise UserError(f"{path}: too short for one frame")
    return codes


def write_all(writer: CodesWriter, windows: list[list[str]], results: Iterator) -> Iterator[tuple[str, int | Rejected]]:
    """Write codes as they come; yields each utterance with its frames, or why it has none."""
    for window in windows:
        before = writer.written.keys() & set(window)
        made = next(results) if len(before) < len(window) else [None] * len(window)
        for utterance, result in zip(window, made, strict=True):
            if utterance in before:
                yield utterance, writer.written[utterance]
            elif isinstance(result, Rejected):
                yield utterance, result
            else:
                writer.write(utterance, result)
                yield utterance, writer.written[utterance]
