"""The network of `rvq_conv`: mel spectra to a few numbers a frame, their residual quantiser, and back."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ellav.plugins.codecs.rvq_mel import nearest

_KERNEL = 7
_LEAST_USE = 0.02
"""Share of the mean use below which an entry counts as dead."""


class Block(nn.Module):
    """ConvNeXt (arXiv 2201.03545) in one dimension, without a stride."""

    def __init__(self, width: int, scale: float):
        super().__init__()
        self.over_time = nn.Conv1d(width, width, _KERNEL, padding=_KERNEL // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)
        self.scale = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, W) -> (B, T, W)."""
        y = self.over_time(x.transpose(1, 2)).transpose(1, 2)
        return x + self.scale * self.narrow(F.gelu(self.wide(self.norm(y))))


class Network(nn.Module):
    """Encoder, quantiser and decoder. spectra: mel spectra a frame. D = the quantiser's dimensions."""

    def __init__(self, mel_bins: int, spectra: int, width: int, blocks: int, quantiser: SplitRVQ):
        super().__init__()
        self.mel_bins, self.spectra = mel_bins, spectra
        self.register_buffer("mean", torch.zeros(mel_bins))
        self.register_buffer("spread", torch.ones(mel_bins))

        def stack() -> nn.Sequential:
            return nn.Sequential(*(Block(width, 1 / (4 * blocks)) for _ in range(blocks)))

        self.enter, self.fine_in, self.join = nn.Linear(mel_bins, width), stack(), nn.Linear(spectra * width, width)
        self.quantiser = quantiser
        D = quantiser.dimensions
        self.coarse_in, self.last_in = stack(), nn.Sequential(nn.LayerNorm(width), nn.Linear(width, D))
        self.first_out, self.coarse_out = nn.Linear(D, width), stack()
        self.part, self.fine_out = nn.Linear(width, spectra * width), stack()
        self.leave = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, mel_bins))

    def normal(self, mels: Tensor) -> Tensor:
        """Log magnitudes (..., mel_bins) with mean 0 and spread 1 in each bin."""
        return (mels - self.mean) / self.spread

    def encode(self, x: Tensor, spoken: Tensor | None = None) -> Tensor:
        """Normal spectra (B, T * spectra, mel_bins) -> (B, T, D). spoken: (B, T) bool, false in what pads an utterance,
        which then has what it has alone."""
        coarse = None if spoken is None else spoken[..., None]
        fine = None if spoken is None else coarse.repeat_interleave(self.spectra, dim=1)
        x = _through(self.fine_in, self.enter(x), fine)
        x = x.reshape(len(x), -1, self.spectra * x.shape[-1])
        return self.last_in(_through(self.coarse_in, self.join(x), coarse))

    def decode(self, z: Tensor) -> Tensor:
        """(B, T, D) -> log magnitudes (B, T * spectra, mel_bins)."""
        x = self.part(self.coarse_out(self.first_out(z)))
        x = x.reshape(len(x), z.shape[1] * self.spectra, -1)
        return self.leave(self.fine_out(x)) * self.spread + self.mean


def _through(blocks: nn.Sequential, x: Tensor, spoken: Tensor | None) -> Tensor:
    """Silence beyond an utterance's end, as each block finds it where nothing follows."""
    for block in blocks:
        x = block(x if spoken is None else x * spoken)
    return x


class SplitRVQ(nn.Module):
    """Residual quantisers side by side, each of its own part of a vector (Mimi, arXiv 2410.00037).

    parts: one behind the other they have the Q codebooks of a frame.
    """

    def __init__(self, parts: list[ResidualVQ]):
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.widths = [part.entries.shape[2] for part in parts]
        self.dimensions = sum(self.widths)

    def trained(self) -> bool:
        """Whether there are entries."""
        return all(bool(part.uses.any()) for part in self.parts)

    def encode(self, z: Tensor) -> Tensor:
        """(N, D) -> codes (N, Q) int64."""
        return torch.cat(
            [part.encode(x) for part, x in zip(self.parts, z.split(self.widths, dim=1), strict=True)], dim=1
        )

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (N, q), q <= Q -> (N, D), zeros where a part has no code."""
        made, begin = [], 0
        for part in self.parts:
            made.append(part.decode(codes[:, begin : begin + len(part.entries)]))
            begin += len(part.entries)
        return torch.cat(made, dim=1)

    def learn(self, z: Tensor, levels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """`ResidualVQ.learn` of each part; levels count the codebooks of all."""
        made, losses, begin = [], [], 0
        for part, x in zip(self.parts, z.split(self.widths, dim=1), strict=True):
            decoded, lost = part.learn(x, levels - begin, rng)
            made.append(decoded)
            losses.append(lost)
            begin += len(part.entries)
        return torch.cat(made, dim=1), sum(losses)


class ResidualVQ(nn.Module):
    """Q codebooks, each of what those before it left over. Entries are running means of what falls to them."""

    def __init__(self, codebooks: int, size: int, dimensions: int, momentum: float = 0.98):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("entries", torch.zeros(codebooks, size, dimensions))
        self.register_buffer("uses", torch.zeros(codebooks, size))  # running mean of how many vectors a step

    def encode(self, z: Tensor) -> Tensor:
        """(N, D) -> codes (N, Q) int64."""
        codes = torch.empty(len(z), len(self.entries), dtype=torch.int64, device=z.device)
        for level, book in enumerate(self.entries):
            codes[:, level] = nearest(z, book)
            z = z - book[codes[:, level]]
        return codes

    def decode(self, codes: Tensor) -> Tensor:
        """Codes (N, q), q <= Q -> (N, D); a code beyond the entries says nothing."""
        made = self.entries.new_zeros(len(codes), self.entries.shape[2])
        for level in range(codes.shape[1]):
            known = codes[:, level] < self.entries.shape[1]
            made = made + self.entries[level][codes[:, level] * known] * known[:, None]
        return made

    def learn(self, z: Tensor, levels: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Quantise for training, and move the entries.

        z: (N, D). levels: (N,) codebooks used for each, none where that is not above 0. Returns what is decoded,
        (N, D), whose gradient is passed on to z as it is, and the commitment loss: mean square of what is left over
        after each codebook.
        """
        left, total, lost = z, torch.zeros_like(z), z.new_zeros(())
        for level in range(len(self.entries)):
            used = (levels > level).nonzero().flatten()
            if not len(used):
                break
            vectors = left[used]
            known = vectors.detach()
            with torch.no_grad():
                if not self.uses[level].any():
                    self._begin(level, known, rng)
                code = nearest(known, self.entries[level])
                chosen = self.entries[level][code]
                self._move(level, known, code, rng)
            lost = lost + (vectors - chosen).square().mean()
            total = total.index_add(0, used, chosen)
            left = left.index_add(0, used, -chosen)
        passed = z * (levels > 0)[:, None]
        return passed + (total - passed).detach(), lost / len(self.entries)

    def _begin(self, level: int, vectors: Tensor, rng: torch.Generator) -> None:
        count = len(self.entries[level])
        self.entries[level] = vectors[torch.randint(len(vectors), (count,), generator=rng)]
        self.uses[level] = len(vectors) / count

    def _move(self, level: int, vectors: Tensor, code: Tensor, rng: torch.Generator) -> None:
        book, uses, keep = self.entries[level], self.uses[level], self.momentum
        count = torch.bincount(code, minlength=len(book)).to(uses.dtype)
        total = torch.zeros_like(book).index_add_(0, code, vectors)
        weighted = keep * uses[:, None] * book + (1 - keep) * total
        uses.mul_(keep).add_((1 - keep) * count)
        torch.where(uses[:, None] > 0, weighted / uses[:, None].clamp(min=1e-9), book, out=book)
        dead = (uses < _LEAST_USE * len(vectors) / len(book)).nonzero().flatten()
        if len(dead):
            book[dead] = vectors[torch.randint(len(vectors), (len(dead),), generator=rng)]
            uses[dead] = len(vectors) / len(book)
