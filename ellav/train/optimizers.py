"""Optimizers: AdamW, or Muon for the matrices inside a network with AdamW for the rest."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ellav.plugins.codecs import CodecTraining
from ellav.train.config import TrainConfig

INNER = 128
"""Rows and columns that a matrix of a codec has at least, for Muon to learn it: those at its ends are narrower."""


def build_optimizers(model: nn.Module, config: TrainConfig) -> list[torch.optim.Optimizer]:
    """The optimizers that together cover all parameters; each group holds its `peak` rate.

    Weight decay acts on the matrices of the blocks only.
    """
    named = dict(model.named_parameters())
    matrices = [p for n, p in named.items() if ".blocks." in n and p.ndim == 2 and "by_level" not in n]
    others = _without(matrices, named.values())
    groups = [{"params": others, "weight_decay": 0.0, "peak": config.lr}]
    made: list[torch.optim.Optimizer] = []
    if config.optimizer == "muon":
        made.append(Muon(matrices, config.muon_lr, config.weight_decay))
    else:
        groups.append({"params": matrices, "weight_decay": config.weight_decay, "peak": config.lr})
    made.append(torch.optim.AdamW(groups, lr=config.lr, betas=(config.beta1, config.beta2), fused=True))
    return made


def codec_optimizers(network: nn.Module, plan: CodecTraining, dtype: torch.dtype) -> list[torch.optim.Optimizer]:
    """The optimizers that together cover a codec's parameters; each group holds its `peak` rate. dtype: of Muon's
    products."""
    inner = [p for p in network.parameters() if plan.muon_lr > 0 and p.ndim == 2 and min(p.shape) >= INNER]
    groups = [{"params": _without(inner, network.parameters()), "peak": plan.lr}]
    made: list[torch.optim.Optimizer] = [torch.optim.AdamW(groups, lr=plan.lr, betas=(0.9, 0.98), weight_decay=0.01)]
    if inner:
        muon = Muon(inner, plan.muon_lr, 0.01)
        muon.dtype = dtype
        made.append(muon)
    return made


def _without(chosen: list[Tensor], parameters: Iterable[Tensor]) -> list[Tensor]:
    ids = {id(p) for p in chosen}
    return [p for p in parameters if id(p) not in ids]


class Muon(torch.optim.Optimizer):
    """Momentum whose matrix is replaced by the nearest orthogonal one (Jordan et al., 2024).

    A matrix of several times as many rows as columns (or the reverse) is taken as so many
    square ones: a fused qkv is three. All squares of one size are treated in one product.
    dtype: of these products; bfloat16 is enough for them, where the machine multiplies it fast.
    """

    dtype = torch.float32

    def __init__(self, matrices: list[Tensor], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(
            [{"params": matrices, "peak": lr, "momentum": momentum, "weight_decay": weight_decay}], {"lr": lr}
        )

    @torch.no_grad()
    def step(self) -> None:
        group = self.param_groups[0]
        squares: dict[tuple, list[tuple[Tensor, Tensor]]] = {}
        for p in group["params"]:
            state = self.state[p]
            if not state:
                state["momentum"] = torch.zeros_like(p)
            state["momentum"].lerp_(p.grad, 1 - group["momentum"])
            update = p.grad.lerp(state["momentum"], group["momentum"])
            for weight, part in zip(_squares(p), _squares(update), strict=True):
                squares.setdefault(tuple(part.shape), []).append((weight, part))
        for pairs in squares.values():
            made = orthogonalise(torch.stack([part for _, part in pairs]).to(self.dtype))
            for (weight, _), update in zip(pairs, made, strict=True):
                weight.mul_(1 - group["lr"] * group["weight_decay"]).add_(update.to(weight.dtype), alpha=-group["lr"])


def orthogonalise(x: Tensor, rounds: int = 5) -> Tensor:
    """(..., m, n) matrices with all singular values moved near 1, by a Newton-Schulz iteration."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(rounds):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


def _squares(matrix: Tensor) -> tuple[Tensor, ...]:
    rows, columns = matrix.shape
    if rows > columns and rows % columns == 0:
        return matrix.split(columns)
    if columns > rows and columns % rows == 0:
        return matrix.split(rows, dim=1)
    return (matrix,)
