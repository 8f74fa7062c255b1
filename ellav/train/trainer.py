"""The one trainer: steps, schedule, validation, checkpoints and exact resume."""

from __future__ import annotations

import contextlib
import json
import math
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, astuple
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor

from ellav.data.batching import Batches, Place
from ellav.data.outputs import write_text
from ellav.errors import UserError, one_line
from ellav.models.trained import lowest
from ellav.train import checkpoint
from ellav.train.agreed import HostSums, of_first
from ellav.train.config import TrainConfig
from ellav.train.log import Log
from ellav.train.objectives import Batch, Figures, Objective
from ellav.train.optimizers import Muon, build_optimizers
from ellav.train.precision import choose_dtype, set_threads
from ellav.train.prefetch import ahead
from ellav.train.signals import noted_signals


class Taken(NamedTuple):
    """A step that was taken, of all processes but for `total`: the sum of this one's loss, on the device as `norm` is.
    targets: tokens with loss. names: of this process's utterances."""

    step: int
    names: list[str]
    targets: float
    total: Tensor
    norm: Tensor


class Trainer:
    """Trains an objective into a folder.

    config: the run. train: the batches of this process. valid: batches to validate on, gone
    through anew each time; an empty list for none.
    on_sample: called as on_sample(model, step, board) every few minutes on the first
    process, for instance to write audio to the TensorBoard writer.
    """

    def __init__(
        self,
        objective: Objective,
        train: Batches,
        valid: Iterable[Batch],
        config: TrainConfig,
        folder: Path,
        on_sample: Callable | None = None,
        accelerator: Accelerator | None = None,
    ):
        self.accelerator = accelerator or Accelerator()
        self.config, self.folder, self.on_sample = config, Path(folder), on_sample
        self.train, self.valid = train, valid
        self.device, self.world = self.accelerator.device, self.accelerator.num_processes
        self.main = self.accelerator.is_main_process
        self.threads = set_threads(self.device, config.threads)
        self.objective = objective
        self.wrapped = self.accelerator.prepare_model(objective)
        self.parameters = [p for p in objective.parameters() if p.requires_grad]
        self.optimizers = build_optimizers(objective.model, config)
        self.place, self.step, self.tokens, self.frames, self.seconds = Place(), 0, 0, 0, 0.0
        self.averaged, self.average = 0, {}
        self.validated: dict[str, dict[str, float]] = {}  # figures of last, averaged and best
        self.waited = 0  # validations since the best one
        self.dtype, self.speeds = None, {}
        self.clock = time.monotonic()
        self.sums = HostSums(self.accelerator)
        # A CPU is asked for loss and gradient norm before it steps. A GPU is not waited for: it is asked when they are
        # to be told, and before anything is validated or saved.
        self.waits = self.device.type == "cpu"
        self.unread: list[Taken] = []

    def run(self, resume: bool = True) -> dict:
        """Train to the end of the schedule; returns the content of summary.json.

        Raises UserError naming the utterances where loss or gradient is not finite, and
        SystemExit after saving where SIGTERM or SIGINT came.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        state = checkpoint.load_state(self.folder) if resume else None
        self._same_step(state["step"] if state else 0)
        if state:
            self._restore(state)
        if self._ended():
            if self.main:
                print(f"{self.folder}: trained already ({self.step} steps)")
            self._save_missing()
            return self._summary()
        if state:
            self._go_on(state)
        self._settle_dtype()
        log = Log(self.folder, f"train {self.folder.name}", self.step) if self.main else None
        stream = self.train.stream(self.place)
        batches = ahead(stream, self.device)
        try:
            if log:
                count = sum(p.numel() for p in self.parameters)
                log.say(f"{count / 1e6:.1f} M parameters, {self.dtype}, {self.device}, {self.threads} threads")
            with noted_signals() as stop:
                self._loop(batches, log, stop)
        finally:
            stream.close()
            if log:
                log.close()
        return self._summary()

    def steps(self, stream) -> Iterator[int]:
        """Steps without end over a stream of batches, each step's tokens, and nothing else: no validation, no log, no
        checkpoint. For whoever measures."""
        self._settle_dtype()
        stream = ahead(stream, self.device)
        while True:
            *_, tokens, _ = self._train_step(stream, False, False)
            self.unread.clear()
            yield tokens

    def _settle_dtype(self) -> None:
        """As the options say, or measured once."""
        if self.config.dtype != "auto":
            self.dtype = self.config.dtype
        elif self.dtype is None:
            self._measure_dtype()
        for optimizer in self.optimizers:
            if isinstance(optimizer, Muon):  # processors without bfloat16 multiply it a hundred times slower
                optimizer.dtype = getattr(torch, self.dtype)

    def _measure_dtype(self) -> None:
        """Once for a run: a process that was killed before its first save leaves what it found in summary.json."""
        path = self.folder / "summary.json"
        try:
            before = json.loads(path.read_text())
        except (FileNotFoundError, ValueError):
            before = {}
        before = of_first(before)
        now = json.loads(json.dumps(self._summary()))
        if before and all(before.get(k) == now[k] for k in ("steps", "config", "parameters", "device", "processes")):
            self.dtype, self.speeds = before["dtype"], before["measured_tokens_per_second"]
            return
        with contextlib.closing(self.train.stream()) as stream:
            first = next(stream)[0].to(self.device)
        self.dtype, self.speeds = choose_dtype(self.objective, first, self.config.dtype, self.accelerator)
        if self.main:
            self._save_summary()

    def _loop(self, stream, log: Log | None, stop: list) -> None:
        begun_at, sampled = self._share(), time.monotonic()
        marked, seen, losses = time.monotonic(), 0, []
        self.clock = time.monotonic()
        while not self._ended():
            measure = (self.step + 1) % self.config.log_every == 0
            read, scale, figures, tokens, stopped = self._train_step(stream, measure, bool(stop))
            seen += tokens
            ended = self._ended()
            valid, save = (self.step % n == 0 or ended for n in (self.config.valid_every, self.config.save_every))
            if measure or valid or save or stopped:
                read = [*read, *self._read()]
            losses += read
            if log and measure:
                loss, norm = sum(loss for loss, _ in losses) / len(losses), losses[-1][1]
                speed = seen / (time.monotonic() - marked)
                lr = scale * self.config.lr
                named = {f"train/{k}": v for k, v in figures.items()}
                named |= {"train/loss": loss, "train/gradient_norm": norm, "train/lr": lr}
                log.scalars(self.step, self.seconds, named | {"train/tokens_per_second": speed})
                log.progress(self.step, min(1.0, self._share()), begun_at, loss, speed)
                marked, seen, losses = time.monotonic(), 0, []
            if valid:
                self._validate(log)
                ended = self._ended()
            if save or ended or stopped:
                if log:
                    log.flush()
                self._save()
            if stopped and not ended:
                if log:
                    log.say(f"stopped by signal at step {self.step}; the same command goes on from there")
                raise SystemExit(128 + (stop[0] if stop else signal.SIGTERM))
            if log and self.on_sample and time.monotonic() - sampled > 60 * self.config.sample_minutes:
                self.objective.eval()
                self.on_sample(self.objective.model, self.step, log.board)
                sampled = time.monotonic()
        if log:
            self._say_end(log)

    def _say_end(self, log: Log) -> None:
        log.say(f"{self.step} steps, {self.frames:,} frames, {self.seconds:.0f} s")
        if self._share() < 1:
            log.say(f"ended early: the last {self.waited} validations found no lower loss (patience)")
        if self.validated:
            losses = ", ".join(f"{name} {figures['loss']:.3f}" for name, figures in self.validated.items())
            log.say(f"validation loss: {losses}; decoding takes the weights {lowest(self.validated)}")

    def _train_step(self, stream, measure: bool, stop: bool):
        """One step over `accumulate` batches of every process. Returns what `_read` does of it, where the device is
        waited for; the share of the learning rate's peak; figures; tokens; whether some process is to stop.

        The first process's clock is the one of all: whatever follows from it must be the same everywhere.
        """
        torch.manual_seed(hash((self.config.seed, self.step, self.accelerator.process_index)) % 2**63)
        drawn = [next(stream) for _ in range(self.config.accumulate)]
        batches = [batch for batch, _ in drawn]
        counts = (sum(getattr(batch, name) for batch in batches) for name in ("targets", "tokens", "frames"))
        targets, tokens, frames, stopped = self.sums(*counts, stop)
        share = self._share()
        scale = self.config.lr_scale(self.step, share)
        self.objective.train()
        total = torch.zeros((), device=self.device)
        figures: Figures = {}
        for index, batch in enumerate(batches):
            last = index + 1 == len(batches)
            with contextlib.nullcontext() if last else self.accelerator.no_sync(self.wrapped):
                with self._autocast():
                    loss, new = self.wrapped(batch.to(self.device), measure)
                (loss * (self.world / targets)).backward()  # DDP divides by the world
            total += loss.detach()
            _add(figures, new)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        now = time.monotonic()
        (passed,) = self.sums(now - self.clock if self.main else 0.0)
        self.clock = now
        names = [name for batch in batches for name in batch.names]
        self.unread.append(Taken(self.step + 1, names, targets, total, norm))
        read = self._read() if self.waits else []
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = group["peak"] * scale
            optimizer.step()
            optimizer.zero_grad()
        self.place = drawn[-1][1]
        self.step += 1
        self.seconds += passed
        self.tokens += int(tokens)
        self.frames += int(frames)
        if share >= 1 - self.config.average:
            self._average()
        return read, scale, self._means(figures) if measure else {}, int(tokens), bool(stopped)

    def _read(self) -> list[tuple[float, float]]:
        """Loss and gradient norm of each step since the last time; waits for the device.

        Raises UserError naming the utterances of the first step where one of them is not finite.
        """
        taken, self.unread = self.unread, []
        if not taken:
            return []
        totals = self.accelerator.reduce(torch.stack([one.total for one in taken]), "sum")
        numbers = torch.stack([totals, torch.stack([one.norm for one in taken])], dim=1).tolist()
        read = [(total / one.targets, norm) for one, (total, norm) in zip(taken, numbers, strict=True)]
        for one, (loss, norm) in zip(taken, read, strict=True):
            if not math.isfinite(loss) or not math.isfinite(norm):
                self._refuse(one, loss, norm)
        return read

    @torch.no_grad()
    def _average(self) -> None:
        """Add the weights to their running mean."""
        if not self.average:
            self.average = {n: p.detach().clone() for n, p in self.objective.model.named_parameters()}
        self.averaged += 1
        weights = [p.detach() for p in self.objective.model.parameters()]
        torch._foreach_lerp_(list(self.average.values()), weights, 1 / self.averaged)

    @torch.no_grad()
    def _validate(self, log: Log | None) -> None:
        """Figures of the last and of the averaged weights; saves the last ones where they are the best so far."""
        if not self.valid:
            return
        last = self.validated["last"] = self._figures()
        if self.averaged:
            self._exchange_weights()
            self.validated["averaged"] = self._figures()
            self._exchange_weights()
        if last["loss"] < self.validated.get("best", {"loss": math.inf})["loss"]:
            self.validated["best"], self.waited = last, 0
            if self.main:
                checkpoint.save_weights(self.objective.model.state_dict(), self.folder / "best.safetensors")
        else:
            self.waited += 1
        if log:
            averaged = self.validated["averaged"] if self.averaged else {}
            named = {f"valid/{k}": v for k, v in last.items()} | {f"averaged/{k}": v for k, v in averaged.items()}
            log.scalars(self.step, self.seconds, named)

    def _figures(self) -> dict[str, float]:
        """Means over the validation batches, which the processes share."""
        self.objective.eval()
        figures: Figures = {}
        mine = islice(self.valid, self.accelerator.process_index, None, self.world)
        for batch in mine:
            _add(figures, self._figures_of(batch))
        if not figures:  # there are fewer batches than processes: the names alone
            first = self._figures_of(next(iter(self.valid)))
            _add(figures, {name: (a * 0, b * 0) for name, (a, b) in first.items()})
        return self._means(figures)

    def _figures_of(self, batch: Batch) -> Figures:
        with self._autocast():
            return self.objective(batch.to(self.device), True)[1]

    def _exchange_weights(self) -> None:
        """The averaged weights for the model's own, or back again; nothing is copied."""
        for name, weight in self.objective.model.named_parameters():
            weight.data, self.average[name] = self.average[name], weight.data

    def _means(self, figures: dict) -> dict[str, float]:
        """Means over all processes from (sum, count) pairs; names without counts are left out."""
        if not figures:
            return {}
        names = sorted(figures)
        pairs = torch.stack([torch.stack(figures[n]) for n in names])
        sums = self.accelerator.reduce(pairs, "sum").tolist()
        return {name: total / count for name, (total, count) in zip(names, sums, strict=True) if count}

    def _refuse(self, taken: Taken, loss: float, norm: float) -> None:
        what = "loss" if not math.isfinite(loss) else "gradient norm"
        raise UserError(
            f"step {taken.step}: {what} is {loss if what == 'loss' else norm}; "
            f"the batch held {' '.join(taken.names)}. "
            "Look at their codes and durations; then go on from the last checkpoint, with dtype=float32 if it was "
            f"another, or begin anew (--resume never) with a lower lr than {self.config.lr:g}"
        )

    def _share(self) -> float:
        return self.config.progress(self.step, self.seconds, self.frames)

    def _ended(self) -> bool:
        patience = self.config.patience
        return self._share() >= 1 or (patience is not None and self.waited >= patience)

    def _autocast(self):
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == "bfloat16")

    def _save(self) -> None:
        """All files of the folder; state.pt alone is what a resumed run reads."""
        places = gather_object([astuple(self.place)])
        if not self.main:
            return
        state = {
            "model": self.objective.model.state_dict(),
            "average": self.average,
            "averaged": self.averaged,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "places": places,
            "length": self.config.length(),
            "step": self.step,
            "tokens": self.tokens,
            "frames": self.frames,
            "seconds": self.seconds,
            "dtype": self.dtype,
            "speeds": self.speeds,
            "valid": self.validated,
            "waited": self.waited,
        }
        for name, saved in self._weights().items():
            checkpoint.save_weights(saved, self.folder / name)
        checkpoint.save_state(state, self.folder)
        self._save_summary()

    def _weights(self) -> dict[str, dict]:
        weights = self.objective.model.state_dict()
        return {"last.safetensors": weights, "averaged.safetensors": weights | self.average}

    def _save_summary(self) -> None:
        write_text(self.folder / "summary.json", json.dumps(self._summary(), indent=1) + "\n")

    def _save_missing(self) -> None:
        """Of a trained model: what a kill during the last save kept from being written, or what was damaged since."""
        if not self.main:
            return
        for name, weights in self._weights().items():
            if not checkpoint.is_whole(self.folder / name):
                print(f"{self.folder / name}: restored from {checkpoint.STATE}")
                checkpoint.save_weights(weights, self.folder / name)
        best = self.folder / "best.safetensors"
        lost = "best" in self.validated and not checkpoint.is_whole(best)
        if lost:
            del self.validated["best"]
            print(f"{best}: lost, and {checkpoint.STATE} does not hold it; going without it")
        try:
            saved = json.loads((self.folder / "summary.json").read_text())["steps"]
        except (FileNotFoundError, ValueError):
            saved = None
        if lost or saved != self.step:
            self._save_summary()

    def _restore(self, state: dict) -> None:
        if "places" not in state:
            raise UserError(
                f"{self.folder / checkpoint.STATE}: written by an older version of ellav; begin anew (--resume never)"
            )
        try:
            self.objective.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
        except (RuntimeError, ValueError) as error:
            reason = one_line(error, 200)
            raise UserError(f"{self.folder}: its state is of another model or optimizer: {reason}") from None
        self.average = {name: value.to(self.device) for name, value in state["average"].items()}
        self.averaged, self.validated, self.waited = state["averaged"], state["valid"], state["waited"]
        self.step, self.tokens, self.frames, self.seconds = (state[k] for k in ("step", "tokens", "frames", "seconds"))
        self.dtype, self.speeds = state["dtype"], state["speeds"]

    def _same_step(self, step: int) -> None:
        """Raises UserError where the processes do not find the same state."""
        steps = sorted(set(gather_object([step])))
        if len(steps) > 1:
            raise UserError(
                f"{self.folder}: one process finds {checkpoint.STATE} of step {steps[0]}, another of {steps[-1]}: the "
                "folder is not the same on all machines; put it where all of them see it"
            )

    def _go_on(self, state: dict) -> None:
        """Take up this process's place in the data; of a run of another length the weights are averaged anew."""
        places = state["places"]
        if len(places) != self.world:
            raise UserError(
                f"{self.folder}: trained by {len(places)} processes so far, which cannot go on as {self.world}; "
                f"start it with {len(places)}, or begin anew (--resume never)"
            )
        self.place = Place(*places[self.accelerator.process_index])
        if state["length"] != self.config.length():
            self.averaged, self.average = 0, {}
            self.validated.pop("averaged", None)

    def _summary(self) -> dict:
        return {
            "steps": self.step,
            "tokens": self.tokens,
            "frames": self.frames,
            "seconds": round(self.seconds, 1),
            "tokens_per_second": round(self.tokens / max(self.seconds, 1e-9)),
            "dtype": self.dtype,
            "measured_tokens_per_second": self.speeds,
            "device": str(self.device),
            "processes": self.world,
            "threads": self.threads,
            "parameters": sum(p.numel() for p in self.parameters),
            "valid": self.validated,
            "averaged_steps": self.averaged,
            "config": asdict(self.config),
        }


def _add(figures: Figures, new: Figures) -> None:
    for name, pair in new.items():
        before = figures.get(name, (0, 0))
        figures[name] = (before[0] + pair[0].double(), before[1] + pair[1].double())
