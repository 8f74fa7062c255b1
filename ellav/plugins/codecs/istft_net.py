"""The networks of `istft`: vectors of codes to samples, and what may judge these samples while it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F

from ellav.plugins.codecs.rvq_conv_net import Block

RESOLUTIONS = (256, 512, 1024)
"""Samples of the windows by which made speech is compared with recorded speech, a quarter of that apart."""
_LEAST_MAGNITUDE = 1e-5  # of a full-scale sine's 1
_LOUDEST = 5.0  # log magnitude of the STFT; speech stays below


class Vocoder(nn.Module):
    """Vectors of a codec's frames to samples (after Vocos, arXiv 2306.00814).

    dimensions: of the vectors. width, blocks: of the convolutions (ConvNeXt). spectra: of the inverse STFT a frame;
    hop: samples from one to the next, an even number. Their windows are four hops long.
    """

    def __init__(self, dimensions: int, width: int, blocks: int, spectra: int, hop: int):
        super().__init__()
        self.spectra, self.hop, self.length = spectra, hop, 4 * hop
        self.register_buffer("mean", torch.zeros(dimensions))
        self.register_buffer("spread", torch.ones(dimensions))
        self.register_buffer("window", torch.hann_window(self.length), persistent=False)
        self.enter = nn.Conv1d(dimensions, width, 7, padding=3)
        self.first = nn.LayerNorm(width)
        self.blocks = nn.Sequential(*(Block(width, 1 / blocks) for _ in range(blocks)))
        self.last = nn.LayerNorm(width)
        self.leave = nn.Linear(width, spectra * (self.length + 2))

    @property
    def context(self) -> int:
        """Frames on either side that a frame's samples depend on."""
        return 3 * (len(self.blocks) + 1) + -(-2 // self.spectra)

    def forward(self, z: Tensor) -> Tensor:
        """(B, T, D) -> (B, T * spectra * hop) samples."""
        x = self.enter(((z - self.mean) / self.spread).transpose(1, 2)).transpose(1, 2)  # (B, T, W)
        x = self.leave(self.last(self.blocks(self.first(x))))
        with torch.autocast(z.device.type, enabled=False):
            x = x.float().reshape(len(x), z.shape[1] * self.spectra, self.length + 2)
            magnitude, phase = x.chunk(2, dim=-1)  # (B, F, bins) each
            magnitude = magnitude.clamp(max=_LOUDEST).exp()
            spectrum = torch.complex(magnitude * phase.cos(), magnitude * phase.sin())
            return overlap_add(torch.fft.irfft(spectrum, n=self.length) * self.window, self.window, self.hop)


def overlap_add(pieces: Tensor, window: Tensor, hop: int) -> Tensor:
    """(B, F, length) windowed pieces, the middle of number k at (k + 1/2) hops -> (B, F * hop) samples."""
    count, length = pieces.shape[1:]

    def add(rows: Tensor) -> Tensor:
        total = (count - 1) * hop + length
        return F.fold(rows.transpose(1, 2), (1, total), (1, length), stride=(1, hop))[:, 0, 0]

    weight = add((window**2).expand(1, count, length)).clamp(min=1e-3)
    begin = (length - hop) // 2
    return (add(pieces) / weight)[:, begin : begin + count * hop]


def spectra_of(wavs: Tensor, length: int) -> Tensor:
    """(B, samples) -> complex spectra (B, F, bins), in which a full-scale sine has magnitude 1."""
    window = torch.hann_window(length, device=wavs.device)
    padded = F.pad(wavs, (length // 2, length // 2))
    return torch.fft.rfft(padded.unfold(1, length, length // 4) * window) * (2 / window.sum())


def spectral_distance(made: Tensor, recorded: Tensor) -> Tensor:
    """Mean over `RESOLUTIONS` of the L1 distance of log magnitudes; (B, samples) each."""
    parts = []
    for length in RESOLUTIONS:
        ours, theirs = (
            torch.view_as_real(spectra_of(wavs, length)).square().sum(-1).clamp(min=_LEAST_MAGNITUDE**2).log() / 2
            for wavs in (made, recorded)
        )
        parts.append((ours - theirs).abs().mean())
    return torch.stack(parts).mean()


class Judges(nn.Module):
    """A small network for each of `RESOLUTIONS` that tells recorded from made spectra, place by place."""

    def __init__(self, channels: int = 16):
        super().__init__()
        self.judges = nn.ModuleList(_judge(channels) for _ in RESOLUTIONS)

    def forward(self, wavs: Tensor) -> list[list[Tensor]]:
        """(B, samples) -> of each network, what every layer made; the last is its judgement."""
        made = []
        for length, judge in zip(RESOLUTIONS, self.judges, strict=True):
            spectrum = torch.view_as_real(spectra_of(wavs, length))  # (B, F, bins, 2)
            size = spectrum.square().sum(-1, keepdim=True).clamp(min=_LEAST_MAGNITUDE**2).sqrt()
            x = (spectrum / size.sqrt()).permute(0, 3, 1, 2)  # loud and soft are nearer together
            heard = []
            for layer in judge:
                x = layer(x)
                heard.append(x)
            made.append(heard)
        return made


def _judge(channels: int) -> nn.ModuleList:
    layers: list[nn.Module] = []
    given = 2
    for stretch in (1, 2, 4):
        conv = nn.Conv2d(given, channels, (3, 7), stride=(1, 2), dilation=(stretch, 1), padding=(stretch, 3))
        layers.append(nn.Sequential(nn.utils.parametrizations.weight_norm(conv), nn.LeakyReLU(0.2)))
        given = channels
    layers.append(nn.Conv2d(channels, 1, 3, padding=1))
    return nn.ModuleList(layers)


def adversarial_losses(judges: Judges, made: Tensor, recorded: Tensor) -> tuple[Tensor, Tensor]:
    """What the judges minimise, and what who made the speech does (hinge, and the distance of what the layers made).

    made, recorded: (B, samples). The gradient of the first reaches the judges alone, that of the second `made` alone.
    """
    real, caught = judges(recorded), judges(made.detach())
    ours = [F.relu(1 - a[-1]).mean() + F.relu(1 + b[-1]).mean() for a, b in zip(real, caught, strict=True)]
    still = {name: weight.detach() for name, weight in judges.named_parameters()}
    heard = functional_call(judges, still, (made,))
    theirs = []
    for a, b in zip(real, heard, strict=True):
        alike = [(x.detach() - y).abs().mean() / x.detach().abs().mean() for x, y in zip(a[:-1], b[:-1], strict=True)]
        theirs.append(-b[-1].mean() + 2 * torch.stack(alike).mean())
    return torch.stack(ours).mean(), torch.stack(theirs).mean()
