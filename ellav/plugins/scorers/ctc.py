"""A small recogniser of phones: convolutions over features, trained by CTC (Graves and others, 2006)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ellav.plugins.aligners.features import RATE, features

HOP = 160
"""Samples from one row of features to the next, 10 ms; the network makes one output of two rows."""
PERIODS = np.unique(np.geomspace(RATE / 400, RATE / 62, 33).round().astype(int))
"""Samples after which a voice of 62 to 400 Hz repeats itself: tones are heard in them."""
SHORTEST = 4  # rows; below it there is nothing to hear
BATCH, RATE_OF_LEARNING, NOISE = 12, 2e-3, 0.2


def heard(wav: np.ndarray) -> np.ndarray:
    """wav: (samples,) float32 at RATE -> (rows, width) float32: cepstra, and how periodic the sound is at PERIODS."""
    cepstra = features(wav)[::2]
    before, window = 240, 640
    padded = np.pad(wav.astype(np.float32), (before, window))
    frames = np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP][: len(cepstra)]
    spectra = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), 2 * window)) ** 2
    repeats = np.fft.irfft(spectra)[:, : PERIODS[-1] + 1]
    return np.concatenate([cepstra, repeats[:, PERIODS] / (repeats[:, :1] + 1e-6)], axis=1, dtype=np.float32)


class Recogniser(nn.Module):
    """(B, rows, width) features -> (B, rows / 2, 1 + phones) log-probabilities, the first that of no phone."""

    def __init__(self, inputs: int, phones: int, width: int):
        super().__init__()
        self.enter = nn.Conv1d(inputs, width, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(Block(width, dilation) for dilation in (1, 2, 4, 1, 2, 4))
        self.leave = nn.Linear(width, 1 + phones)

    def forward(self, rows: Tensor) -> Tensor:
        """Log-probabilities of each second row."""
        hidden = self.enter(rows.transpose(1, 2))
        for block in self.blocks:
            hidden = block(hidden)
        return self.leave(hidden.transpose(1, 2)).log_softmax(dim=-1)


class Block(nn.Module):
    """A residual convolution over time."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.mix = nn.Conv1d(width, width, 5, padding=2 * dilation, dilation=dilation)
        self.drop = nn.Dropout(0.1)

    def forward(self, hidden: Tensor) -> Tensor:
        """(B, width, T) -> the same."""
        normal = self.norm(hidden.transpose(1, 2)).transpose(1, 2)
        return hidden + self.drop(nn.functional.gelu(self.mix(normal)))


def train(
    rows: Sequence[np.ndarray], said: Sequence[Sequence[str]], width: int, passes: int, seed: int = 0
) -> dict[str, np.ndarray]:
    """Arrays that `restore` makes a recogniser of, learned from features and the phones that each of them says.

    rows: N of (rows, width) float32. The same input gives the same arrays.
    """
    phones = sorted({phone for one in said for phone in one})
    place = {phone: number for number, phone in enumerate(phones, 1)}
    everything = np.concatenate(rows)
    mean, spread = everything.mean(axis=0), everything.std(axis=0) + 1e-3
    inputs = [torch.from_numpy((one - mean) / spread) for one in rows]
    targets = [torch.tensor([place[phone] for phone in one]) for one in said]
    by_length = sorted(range(len(inputs)), key=lambda index: len(inputs[index]))
    batches = [by_length[first : first + BATCH] for first in range(0, len(by_length), BATCH)]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = Recogniser(len(mean), len(phones), width).train()
        optimizer = torch.optim.AdamW(network.parameters(), lr=RATE_OF_LEARNING)
        steps = passes * len(batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE_OF_LEARNING, total_steps=max(steps, 2))
        loss_of = nn.CTCLoss(zero_infinity=True)  # what is too short for its phones teaches nothing
        for _ in range(passes):
            for number in torch.randperm(len(batches)).tolist():
                batch = batches[number]
                padded = nn.utils.rnn.pad_sequence([inputs[index] for index in batch], batch_first=True)
                made = network(padded + NOISE * torch.randn_like(padded))
                lengths = torch.tensor([(len(inputs[index]) + 1) // 2 for index in batch])
                wanted = torch.tensor([len(targets[index]) for index in batch])
                loss = loss_of(made.transpose(0, 1), torch.cat([targets[index] for index in batch]), lengths, wanted)
                optimizer.zero_grad()
                loss.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 1.0)
                optimizer.step()
                schedule.step()
    arrays = {f"weights.{name}": value.detach().numpy() for name, value in network.state_dict().items()}
    return arrays | {"phones": np.array(phones), "mean": mean, "spread": spread}


class Listener:
    """What `train` made, to be listened with."""

    def __init__(self, arrays: dict[str, np.ndarray]):
        self.phones = [str(phone) for phone in arrays["phones"]]
        self.mean, self.spread = arrays["mean"], arrays["spread"]
        weights = {
            name.removeprefix("weights."): torch.from_numpy(np.array(value))
            for name, value in arrays.items()
            if name.startswith("weights.")
        }
        self.network = Recogniser(len(self.mean), len(self.phones), len(weights["enter.bias"])).eval()
        self.network.load_state_dict(weights)

    def __call__(self, rows: np.ndarray) -> list[str]:
        """(rows, width) features -> the phones that are most likely in each row, repetitions joined."""
        if len(rows) < SHORTEST:
            return []
        with torch.inference_mode():
            best = self.network(torch.from_numpy((rows - self.mean) / self.spread)[None])[0].argmax(dim=-1)
        kept = torch.unique_consecutive(best)
        return [self.phones[number - 1] for number in kept.tolist() if number]
