"""Training: the trainer's steps with their floor, beside the textbook, and the preparation of batches alone."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path

import torch
from accelerate import Accelerator

from ellav.bench.floors import operations
from ellav.bench.measured import Run, fastest, figures, forget_peaks, peaks, rounded
from ellav.bench.presets import RandomModel
from ellav.bench.reference import Reference
from ellav.bench.speech import PHONES, Codes, GeneratedSpeech
from ellav.data.batching import OPEN_BATCHES, Batches
from ellav.models.ar import ARModel
from ellav.models.device import wait_for
from ellav.train.config import TrainConfig
from ellav.train.objectives import ARObjective, Batch, NARObjective
from ellav.train.trainer import Trainer

WARMING = 2
"""Steps before those that count."""
SECONDS = (2.0, 10.0)
"""The shortest and the longest generated utterance."""


def build_objective(made: RandomModel, frame_rate: float) -> ARObjective | NARObjective:
    """What `ellav train` would train."""
    if isinstance(made.model, ARModel):
        return ARObjective(made.model, made.ordering)
    bounds = made.config.prompt_least, made.config.prompt_most
    return NARObjective(made.model, tuple(round(frame_rate * bound) for bound in bounds))


def build_batches(objective: ARObjective | NARObjective, config: TrainConfig, codes: Codes) -> Batches:
    """Batches of so much generated speech that most are full."""
    most = config.max_frames or round(SECONDS[1] * codes.frame_rate)
    mean = min(most, sum(SECONDS) / 2 * codes.frame_rate)  # frames, and tokens at least
    count = round((OPEN_BATCHES + 4) * config.batch_tokens / mean) + 1
    speech = GeneratedSpeech(count, codes, len(PHONES), SECONDS, most)
    return Batches(speech, objective.arrange, objective.collate, config.batch_tokens, config.max_frames or 2 * most, 0)


def train_rows(
    objective: ARObjective | NARObjective,
    batches: Batches,
    config: TrainConfig,
    frame_rate: float,
    device: torch.device,
    steps: int,
    peak: Callable[[str], float],
) -> Iterator[dict]:
    """The trainer's steps, the same batches padded for the textbook, and what arranges and collates them alone.

    peak: of a dtype by its name, the operations a second of a large product.
    """
    kind = "AR" if isinstance(objective, ARObjective) else "NAR"
    run, drawn, dtype = trainer_steps(objective, batches, config, device, steps)
    first = WARMING * config.accumulate
    drawn = drawn[: first + steps * config.accumulate]  # one more may be on its way
    counted = drawn[first:]
    speech = sum(batch.frames for batch in counted) / frame_rate
    needed = sum(step_operations(objective, batch) for batch in counted)

    def row(name: str, run: Run) -> dict:
        more = {
            "parameters": sum(p.numel() for p in objective.parameters()),
            "dtype": dtype,
            "product_gflop_per_s": rounded(peak(dtype) / 1e9),
            "model_flops_utilisation": rounded(needed / peak(dtype) / run.seconds),
        }
        return figures(name, config.batch_tokens, run, steps, run.result, speech, needed / peak(dtype), **more)

    yield row(f"{kind} training", run)
    yield row(f"{kind} reference", reference_steps(objective, drawn, config, dtype, device))

    def prepare() -> list[Batch]:
        return [batch for batch, _ in batches.epoch()]

    run = fastest(prepare, 1, torch.device("cpu"))
    tokens, frames = (sum(getattr(batch, name) for batch in run.result) for name in ("tokens", "frames"))
    yield figures(f"{kind} data", config.batch_tokens, run, len(run.result), tokens, frames / frame_rate)


def trainer_steps(
    objective: ARObjective | NARObjective, batches: Batches, config: TrainConfig, device: torch.device, steps: int
) -> tuple[Run, list[Batch], str]:
    """Steps of a run's beginning, with their tokens; the batches, those to warm up included; and the dtype."""
    config = replace(config, max_steps=10**6, max_minutes=None, max_frames_seen=None, patience=None)
    with tempfile.TemporaryDirectory() as folder, closing(batches.stream()) as stream:
        accelerator = Accelerator(cpu=device.type == "cpu")
        trainer = Trainer(objective, batches, [], config, Path(folder), accelerator=accelerator)
        drawn: list[Batch] = []
        taken = trainer.steps(noted(stream, drawn))
        for _ in range(WARMING):
            next(taken)
        run = timed(lambda: sum(islice(taken, steps)), device)
    return run, drawn, trainer.dtype


def noted(stream: Iterator, drawn: list[Batch]) -> Iterator:
    """The same stream; each batch that is drawn from it is put down too."""
    for batch, place in stream:
        drawn.append(batch)
        yield batch, place


def timed(work: Callable[[], int], device: torch.device) -> Run:
    """One run, after what led up to it."""
    forget_peaks(device)
    wait_for(device)
    began = time.perf_counter()
    result = work()
    wait_for(device)
    return Run(time.perf_counter() - began, result, peaks(device))


def step_operations(objective: ARObjective | NARObjective, batch: Batch) -> float:
    """Operations that learning from a batch takes: forward, and twice as many backward."""
    model = objective.model
    causal = isinstance(objective, ARObjective)
    scored = len(model.sampled) if causal else model.size  # ids
    output = scored * model.options.width
    return 3 * operations(model.options, batch.lengths, batch.targets, output, causal, batch.text_lens)


def reference_steps(
    objective: ARObjective | NARObjective, drawn: list[Batch], config: TrainConfig, dtype: str, device: torch.device
) -> Run:
    """The textbook of the model's size learns from random ids in batches of the same lengths; the tokens are those
    without padding."""
    causal, options = isinstance(objective, ARObjective), objective.model.options
    vocabulary = objective.ordering.vocabulary.size if causal else objective.model.size
    reference = Reference(options, vocabulary).to(device).train()
    optimizer = torch.optim.AdamW(reference.parameters(), lr=1e-4, fused=True)

    def learn(batches: list[Batch]) -> int:
        for number, batch in enumerate(batches, 1):
            ids = torch.randint(vocabulary, (len(batch.lengths), max(batch.lengths)), device=device)
            with torch.autocast(device.type, torch.bfloat16, enabled=dtype == "bfloat16"):
                loss = reference.loss(ids, batch.lengths, causal)
            (loss / batch.tokens).backward()
            if number % config.accumulate == 0:
                torch.nn.utils.clip_grad_norm_(reference.parameters(), config.clip)
                optimizer.step()
                optimizer.zero_grad()
        return sum(batch.tokens for batch in batches)

    first = WARMING * config.accumulate
    learn(drawn[:first])
    return timed(lambda: learn(drawn[first:]), device)
