"""An aligner that learns by the forward-sum objective, to compare the built-in `trained` with.

"One TTS Alignment To Rule Them All" (Badlani et al., arXiv 2108.10447): frames and phones are encoded
by convolutions; the softmax over the phones of their distances, with a beta-binomial prior, is trained with
the CTC loss of the phones in order, then sharpened along its own best path. A plugin as any other:

    python test/bench/aligner.py --plugin test/bench/forward_sum.py --aligners trained forward_sum

`docs/alignment.md` has the figures.
"""

from __future__ import annotations

import json
import math
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import betabinom
from torch import nn

from ellav.plugins.aligners import ANY, Alignment, AlignmentError, aligners
from ellav.plugins.aligners.features import HOP, RATE, WIDTH, features
from ellav.plugins.aligners.trained import choose, read

STACK = 2
"""Feature frames a frame: 10 ms."""
BLANK = -1.0
"""Logit of CTC's blank, the paper's."""
PRIOR = 1.0
"""Scale of the beta-binomial prior: the larger, the nearer to the diagonal."""


class Net(nn.Module):
    """Distances between encoded frames and encoded phones."""

    def __init__(self, phones: int, width: int = 96):
        super().__init__()
        self.embed = nn.Embedding(phones, width)
        self.text = nn.Sequential(nn.Conv1d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.Conv1d(2 * width, width, 1))
        self.sound = nn.Sequential(
            nn.Conv1d(STACK * WIDTH, 2 * width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(2 * width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(width, width, 1),
        )

    def forward(self, rows: torch.Tensor, phones: torch.Tensor) -> torch.Tensor:
        """rows: (B, T, D), phones: (B, N) -> (B, T, N) logits."""
        sound = self.sound(rows.transpose(1, 2)).transpose(1, 2)
        text = self.text(self.embed(phones).transpose(1, 2)).transpose(1, 2)
        return -0.01 * torch.cdist(sound, text) ** 2


@aligners.register("forward_sum")
class ForwardSum:
    """A small network of the corpus's own phones, on a grid of 10 ms.

    model: what was learned. minutes: of speech to learn from. steps: of 16 utterances.
    """

    phone_sets = (ANY,)
    sample_rate = RATE

    def __init__(self, model: Path | None = None, minutes: float = 30.0, steps: int = 3000):
        self.model, self.minutes, self.steps = model, minutes, steps

    def fit(self, recordings, folder):
        """Learn, and write folder/forward_sum.safetensors."""
        if self.model is not None:
            return {}
        from safetensors.torch import save_file

        torch.manual_seed(0)
        chosen = choose(recordings, 60 * self.minutes)
        numbers = {p: n for n, p in enumerate(sorted({p for r in chosen for p in r.phones.phones}))}
        data = []
        for recording in chosen:
            rows = stacked(read(recording.wav))
            phones = torch.tensor([numbers[p] for p in recording.phones.phones])
            if len(rows) >= len(phones):
                data.append((rows, phones, prior(len(rows), len(phones))))
        centre, scale = (f(torch.cat([d[0] for d in data]), 0) for f in (torch.mean, torch.std))
        net = Net(len(numbers))
        optimizer = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=1e-4)
        for step in range(self.steps):
            for group in optimizer.param_groups:
                group["lr"] = 1e-3 * min(1, (step + 1) / 100) * (1 - step / self.steps)
            batch = [data[i] for i in torch.randint(len(data), (16,)).tolist()]
            loss = self._loss(net, batch, centre, scale, sharp=max(0.0, min(1.0, 3 * step / self.steps - 1)))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            if step % 100 == 0:
                print(f"forward_sum: step {step}, loss {loss.item():.3f}", flush=True)
        path = folder / "forward_sum.safetensors"
        save_file({**net.state_dict(), "centre": centre, "scale": scale}, path, {"phones": json.dumps(list(numbers))})
        return {"model": path}

    def _loss(self, net: Net, batch: list, centre, scale, sharp: float) -> torch.Tensor:
        rows = nn.utils.rnn.pad_sequence([(r - centre) / scale for r, _, _ in batch], batch_first=True)
        phones = nn.utils.rnn.pad_sequence([p for _, p, _ in batch], batch_first=True)
        logits = net(rows, phones)
        total = 0.0
        for each, (r, p, before) in zip(logits, batch, strict=True):
            near = F.log_softmax(each[: len(r), : len(p)], -1) + before
            with_blank = F.log_softmax(F.pad(near, (1, 0), value=BLANK), -1)
            order = torch.arange(1, len(p) + 1)
            ctc = F.ctc_loss(with_blank[:, None], order[None], [len(r)], [len(p)], reduction="sum", zero_infinity=True)
            total = total + ctc / len(r)
            if sharp:
                chances = F.log_softmax(near, -1)
                path = torch.from_numpy(best_path(chances.detach().numpy()))
                total = total - sharp * chances[torch.arange(len(r)), path].mean()
        return total / len(batch)

    def align(self, wav, phones):
        """wav: (samples,) float32 at 16 kHz. Raises AlignmentError if it does not fit."""
        net, numbers, centre, scale = self._learned
        if not np.isfinite(wav).all() or not wav.any():
            raise AlignmentError("no sound, or not numbers")
        unknown = next((p for p in phones.phones if p not in numbers), None)
        if unknown is not None:
            raise AlignmentError(f"phone {unknown!r} was not among those that it learned from")
        rows = stacked(wav)
        if len(rows) < len(phones.phones):
            raise AlignmentError(f"{len(wav) / RATE:.2f} s are too short for {len(phones.phones)} phones")
        with torch.inference_mode():
            ids = torch.tensor([[numbers[p] for p in phones.phones]])
            chances = F.log_softmax(net(((rows - centre) / scale)[None], ids)[0], -1) + prior(len(rows), ids.shape[1])
            chances = chances.log_softmax(-1).numpy()
        path = best_path(chances)
        ends = np.searchsorted(path, np.arange(len(phones.phones)), side="right") * STACK * HOP / RATE
        ends[-1] = len(wav) / RATE
        return Alignment(np.minimum(ends, ends[-1]), float(chances[np.arange(len(path)), path].mean()))

    @cached_property
    def _learned(self):
        from safetensors import safe_open

        with safe_open(str(self.model), framework="pt") as file:
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            phones = json.loads(file.metadata()["phones"])
        centre, scale = weights.pop("centre"), weights.pop("scale")
        net = Net(len(phones))
        net.load_state_dict(weights)
        return net.eval(), {p: n for n, p in enumerate(phones)}, centre, scale


def stacked(wav: np.ndarray) -> torch.Tensor:
    """(T, STACK * WIDTH) float32."""
    rows = features(wav)
    rows = rows[: len(rows) // STACK * STACK]
    return torch.from_numpy(rows.reshape(-1, STACK * WIDTH))


def prior(frames: int, phones: int) -> torch.Tensor:
    """(T, N) log-probabilities around the diagonal."""
    times = np.arange(1, frames + 1)[:, None]
    places = np.arange(phones)[None]
    logs = betabinom.logpmf(places, phones - 1, PRIOR * times, PRIOR * (frames + 1 - times)) if phones > 1 else 0
    return torch.from_numpy(np.broadcast_to(logs, (frames, phones)).astype(np.float32).copy())


def best_path(chances: np.ndarray) -> np.ndarray:
    """chances: (T, N) -> (T,) the likeliest phone of each frame, each phone once and in order."""
    frames, phones = chances.shape
    best = np.full(phones, -math.inf)
    best[0] = chances[0, 0]
    came = np.zeros((frames, phones), bool)
    for t in range(1, frames):
        before = np.append(-math.inf, best[:-1])
        came[t] = before > best
        best = np.maximum(best, before) + chances[t]
    path = np.empty(frames, np.int64)
    place = phones - 1
    for t in range(frames - 1, -1, -1):
        path[t] = place
        place -= came[t, place]
    return path
