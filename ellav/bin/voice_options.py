"""The voice that `ellav synth` and `ellav serve` speak with: its options, and the synthesizer that they mean."""

from __future__ import annotations

import argparse
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from ellav.bin.options import (
    add_choice,
    add_dtype,
    add_match_voice,
    add_nar_temperature,
    add_quantize,
    add_watermark,
    watermark_of,
)
from ellav.errors import UserError

if TYPE_CHECKING:
    from ellav.infer.synthesizer import Synthesizer


def add_voice(made: argparse.ArgumentParser, dtype: str, transcribed: str) -> None:
    """Where and how a packed model, `--model`, speaks. dtype: if left out. transcribed: what the transcriber is for."""
    made.add_argument("--device", default=None, help="cpu or cuda; a GPU is used where there is one")
    add_dtype(made, dtype)
    add_quantize(made)
    add_nar_temperature(made, None)
    add_match_voice(made, None)
    add_choice(made, "decoder", None, "decoders (the packed one if left out)")
    add_choice(made, "transcriber", "pocketsphinx", f"transcribers, for {transcribed}")
    add_watermark(made)


def check_voice(options: argparse.Namespace) -> None:
    """Refuse options of a decoder that is not named."""
    if options.decoder is None and options.decoder_conf:
        raise UserError("--decoder-conf needs --decoder NAME beside it")


def voice_ready(options: argparse.Namespace) -> Synthesizer:
    """`voice_of` for a server, whose one thread will speak with it: nothing is left to load when it is first asked.

    It is loaded in a thread that ends. OpenMP counts the helpers of every living thread that has computed; where they
    are more than the cores, they fall asleep after each small operation (a third of what a server spoke was lost).
    """
    with ThreadPoolExecutor(1) as loading:
        voice = loading.submit(voice_of, options).result()
        if voice.prompts:
            loading.submit(voice.hear).result()
    return voice


def voice_of(options: argparse.Namespace) -> Synthesizer:
    """Load the model. Threads are to be limited before (`ellav.bin.synth.limit_threads`): this imports torch."""
    from ellav.infer.synthesizer import Synthesizer

    return Synthesizer(
        options.model,
        options.decoder,
        options.decoder_conf,
        options.device,
        options.transcriber,
        options.transcriber_conf,
        options.quantize,
        options.nar_temperature,
        options.dtype,
        *watermark_of(options),
        options.match_voice,
    )
