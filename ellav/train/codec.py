"""Training of a codec that learns by gradient: random pieces of speech, one optimizer, checkpoints, TensorBoard."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch

from ellav.data.speech import Speech, read_piece
from ellav.errors import UserError
from ellav.plugins.codecs import LearnedCodec
from ellav.train.checkpoint import STATE, load_state, save_state
from ellav.train.log import Log
from ellav.train.precision import multiplies_bfloat16, set_threads

__all__ = ["HELD_OUT", "STATE", "train_codec"]

HELD_OUT = 32
"""Utterances that are never trained on; the middle of each is for the validation loss."""
_WARMUP, _SAVE_EVERY, _LOG_EVERY, _VALID_EVERY, _SAMPLES = 100, 200, 25, 500, 2


def train_codec(codec: LearnedCodec, speech: Speech, folder: Path, seed: int = 0, device: str = "cpu") -> dict:
    """Train `codec.network` until it has read `frames_seen` frames; the learning rate rises, then falls to zero.

    folder: gets state.pt, from which an interrupted training goes on bit for bit, losses.tsv and tensorboard/. Returns
    the last validation figures. Raises UserError where the loss is no number.
    """
    set_threads(torch.device(device), 0)
    plan = codec.training
    steps = max(1, round(plan.frames_seen / (plan.batch * plan.seconds * codec.frame_rate)))
    network = codec.network.to(device).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.01)
    state = load_state(folder)
    if state is None:
        first = np.random.default_rng([seed, 0])
        codec.begin([speech.piece(plan.seconds, first) for _ in range(4 * plan.batch)])
        done, before = 0, 0.0
    else:
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        done, before = state["step"], state["seconds"]
    fast = device != "cpu" or multiplies_bfloat16()
    held_out = np.stack([read_piece(path, 0.5, plan.seconds, speech.sample_rate) for path in speech.held_out])
    log, figures = Log(folder, "train codec", done, "frames"), {}
    frames = plan.batch * plan.seconds * codec.frame_rate  # a step
    begun = lapped = time.monotonic()
    try:
        for step, pieces in enumerate(_batches(speech, plan, seed, done, steps), done):
            for group in optimizer.param_groups:
                group["lr"] = plan.lr * min(1, (step + 1) / _WARMUP) * (1 - step / steps)
            rng = torch.Generator(device).manual_seed(seed * 1_000_003 + step)
            with torch.autocast(device, torch.bfloat16, enabled=fast):
                loss, parts = codec.loss(torch.from_numpy(pieces).to(device), rng)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            last, now = step + 1 == steps, time.monotonic()
            passed = before + now - begun
            if (step + 1) % _LOG_EVERY == 0 or last:
                value = float(loss)
                if not np.isfinite(value):
                    raise UserError(f"train codec: the loss is {value} in step {step + 1}; lower lr ({plan.lr:g})")
                speed, lapped = frames * min(_LOG_EVERY, step + 1 - done) / (now - lapped), now
                log.scalars(step + 1, passed, {f"train/{name}": float(part) for name, part in parts.items()})
                log.progress(step + 1, (step + 1) / steps, done / steps, value, speed)
            if (step + 1) % _VALID_EVERY == 0 or last:
                figures = _validate(codec, held_out, device)
                log.scalars(step + 1, passed, {f"valid/{name}": value for name, value in figures.items()})
                _add_samples(log, codec, held_out, step + 1)
            if (step + 1) % _SAVE_EVERY == 0 and not last:
                log.flush()
                state = {"network": network.state_dict(), "optimizer": optimizer.state_dict()}
                save_state({**state, "step": step + 1, "seconds": passed}, folder)
    finally:
        log.close()
        network.eval()
    network.cpu()
    return figures


def _batches(speech: Speech, plan, seed: int, done: int, steps: int) -> Iterator[np.ndarray]:
    """(batch, samples) float32 for each step that is left; read by a thread while the step before is computed."""

    def read(step: int) -> np.ndarray:
        rng = np.random.default_rng([seed, 1, step])
        return np.stack([speech.piece(plan.seconds, rng) for _ in range(plan.batch)])

    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(read, done)
        for step in range(done, steps):
            pieces = coming.result()
            coming = reader.submit(read, min(step + 1, steps - 1))
            yield pieces


def _validate(codec: LearnedCodec, wavs: np.ndarray, device: str) -> dict[str, float]:
    codec.network.eval()
    with torch.inference_mode():
        figures = codec.measure(torch.from_numpy(wavs).to(device))
    codec.network.train()
    return figures


def _add_samples(log: Log, codec: LearnedCodec, wavs: np.ndarray, step: int) -> None:
    """Held-out speech, coded and decoded, for ears."""
    if not log.board:
        return
    codec.network.eval()
    for number, wav in enumerate(codec.decode(codec.encode(list(wavs[:_SAMPLES])))):
        log.board.add_audio(f"held_out/{number}", torch.from_numpy(wav).clamp(-1, 1)[None], step, codec.sample_rate)
    codec.network.train()
