"""Training of a codec that learns by gradient: random pieces of speech, one optimizer, checkpoints, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ellav.data.speech import Piece, Speech
from ellav.errors import UserError
from ellav.models.limits import multiplies_bfloat16
from ellav.plugins.codecs import LearnedCodec, learns_phones
from ellav.train.checkpoint import STATE, load_state, save_state
from ellav.train.log import Log
from ellav.train.optimizers import codec_optimizers
from ellav.train.precision import set_threads

__all__ = ["HELD_OUT", "STATE", "train_codec"]

HELD_OUT = 32
"""Utterances that are never trained on; the middle of each is for the validation loss."""
_FIRST = 96
"""Pieces of which a codec takes its means before the first step."""
_WARMUP, _SAVE_EVERY, _LOG_EVERY, _VALID_EVERY, _SAMPLES = 100, 200, 25, 500, 2


def train_codec(codec: LearnedCodec, speech: Speech, folder: Path, seed: int = 0, device: str = "cpu") -> dict:
    """Train `codec.network` until it has read `frames_seen` frames; the learning rate rises, then falls to zero.

    Where the codec learns phones, `speech` has an alignment.

    folder: gets state.pt, from which an interrupted training goes on bit for bit, losses.tsv and tensorboard/. Returns
    the last validation figures. Raises UserError where the loss is no number.
    """
    set_threads(torch.device(device), 0)
    plan = codec.training
    steps = max(1, round(plan.frames_seen / (plan.batch * plan.seconds * codec.frame_rate)))
    if learns_phones(codec):
        codec.expect_phones(len(speech.phones))
    network = codec.network.to(device).train()
    state = load_state(folder)
    fast = device != "cpu" or multiplies_bfloat16() if state is None else state["bfloat16"]
    optimizers = codec_optimizers(network, plan, torch.bfloat16 if fast else torch.float32)
    if state is None:
        first = np.random.default_rng([seed, 0])
        codec.begin([speech.piece(plan.seconds, first).wav for _ in range(_FIRST)])
        done, before = 0, 0.0
    else:
        network.load_state_dict(state["network"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        done, before = state["step"], state["seconds"]
    held_out = _tensors(codec, speech, speech.held_out_pieces(plan.seconds))
    log, figures = Log(folder, "train codec", done, "frames"), {}
    frames = plan.batch * plan.seconds * codec.frame_rate  # a step
    begun = lapped = time.monotonic()
    try:
        for step, batch in enumerate(_batches(codec, speech, seed, done, steps), done):
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = group["peak"] * min(1, (step + 1) / _WARMUP) * (1 - step / steps)
            rng = torch.Generator(device).manual_seed(seed * 1_000_003 + step)
            with torch.autocast(device, torch.bfloat16, enabled=fast):
                wavs, *phones = (some.to(device) for some in batch)
                loss, parts = codec.loss(wavs, rng, *phones)
            network.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            last, now = step + 1 == steps, time.monotonic()
            passed = before + now - begun
            if (step + 1) % _LOG_EVERY == 0 or last:
                value = float(loss.detach())
                if not np.isfinite(value):
                    raise UserError(f"train codec: the loss is {value} in step {step + 1}; lower lr ({plan.lr:g})")
                speed, lapped = frames * min(_LOG_EVERY, step + 1 - done) / (now - lapped), now
                log.scalars(step + 1, passed, {f"train/{name}": float(part) for name, part in parts.items()})
                log.progress(step + 1, (step + 1) / steps, done / steps, value, speed)
            if (step + 1) % _VALID_EVERY == 0 or last:
                figures = _validate(codec, held_out, device)
                log.scalars(step + 1, passed, {f"valid/{name}": value for name, value in figures.items()})
                _add_samples(log, codec, held_out[0][:_SAMPLES].numpy(), step + 1)
            if (step + 1) % _SAVE_EVERY == 0 and not last:
                log.flush()
                state = {
                    "network": network.state_dict(),
                    "optimizers": [optimizer.state_dict() for optimizer in optimizers],
                }
                save_state({**state, "step": step + 1, "seconds": passed, "bfloat16": fast}, folder)
    finally:
        log.close()
        network.eval()
    network.cpu()
    return figures


def _tensors(codec: LearnedCodec, speech: Speech, pieces: list[Piece]) -> list[torch.Tensor]:
    """(B, samples) float32, and (B, T) int64 phones where the codec learns them."""
    made = [torch.from_numpy(np.stack([piece.wav for piece in pieces]))]
    if learns_phones(codec):
        made.append(torch.from_numpy(np.stack([speech.phones_in(piece, codec.frame_rate) for piece in pieces])))
    return made


def _batches(codec: LearnedCodec, speech: Speech, seed: int, done: int, steps: int) -> Iterator[list[torch.Tensor]]:
    """The tensors of each step that is left; read by a thread while the step before is computed."""
    plan = codec.training

    def read(step: int) -> list[torch.Tensor]:
        rng = np.random.default_rng([seed, 1, step])
        return _tensors(codec, speech, [speech.piece(plan.seconds, rng) for _ in range(plan.batch)])

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, done)
        for step in range(done, steps):
            batch = coming.result()
            coming = reader.submit(read, min(step + 1, steps - 1))
            yield batch


def _validate(codec: LearnedCodec, held_out: list[torch.Tensor], device: str) -> dict[str, float]:
    codec.network.eval()
    with torch.inference_mode():
        figures = codec.measure(*(some.to(device) for some in held_out))
    codec.network.train()
    return figures


def _add_samples(log: Log, codec: LearnedCodec, wavs: np.ndarray, step: int) -> None:
    """Held-out speech, coded and decoded, for ears."""
    if not log.board:
        return
    codec.network.eval()
    for number, wav in enumerate(codec.decode(codec.encode(list(wavs)))):
        log.board.add_audio(f"held_out/{number}", torch.from_numpy(wav).clamp(-1, 1)[None], step, codec.sample_rate)
    codec.network.train()
