"""Codecs: how much speech a second they encode and decode."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from ellav.bench.measured import Run, fastest, rounded
from ellav.errors import UserError
from ellav.plugins.codecs import Codec, codecs, load_codec
from ellav.testing.codec import learn, sound

LEARNED = 2.0
"""Seconds of a sound that a codec learns from."""


def ready_codec(name: str, conf: dict) -> Codec:
    """The codec of a folder; or one by its name, which has learned no more than what it needs to run, from machine-made
    sounds. One that cannot learn has the weights that its options name."""
    if (Path(name) / "codec.yaml").is_file():
        if conf:
            raise UserError(f"--codec-conf is of a codec by its name; {name} has its own options")
        return load_codec(name)
    if Path(name).is_dir():
        raise UserError(f"{name}: no codec.yaml there; give a folder that `ellav fit-codec` wrote, or a codec's name")
    codec = codecs.create(name, conf)
    if codec.trainable:
        rng = np.random.default_rng(0)
        count = 1 + math.ceil(codec.size / codec.frame_rate / LEARNED)  # a frame for each entry
        learn(codec, [sound(rng, codec.sample_rate, LEARNED) for _ in range(count)], 0)
    return codec


def codec_rows(codec: Codec, batch: int, seconds: float, repeats: int) -> Iterator[dict]:
    """Encoding and decoding of `batch` machine-made sounds of so many seconds."""
    rng = np.random.default_rng(1)
    wavs = [sound(rng, codec.sample_rate, seconds) for _ in range(batch)]
    speech = sum(map(len, wavs)) / codec.sample_rate
    # What a codec that computes on a GPU returns is numpy, so it has been waited for.
    device = torch.device("cpu")

    def row(name: str, run: Run, codes: list[np.ndarray]) -> dict:
        return {
            "name": name,
            "batch": batch,
            "seconds": rounded(run.seconds),
            "speech_seconds_per_second": rounded(speech / run.seconds),
            "frames_per_second": rounded(sum(map(len, codes)) / run.seconds),
            "real_time_factor": rounded(run.seconds / speech),
            **run.memory,
        }

    encoded = fastest(lambda: codec.encode(wavs), repeats, device)
    yield row("encode", encoded, encoded.result)
    yield row("decode", fastest(lambda: codec.decode(encoded.result), repeats, device), encoded.result)
