"""Products with fixed weights for a few rows at a time: in floating point, or with weights of 8 bits."""

from __future__ import annotations

import copy
import warnings

import torch
from torch import Tensor, nn

from ellav.errors import UserError


def row_scales(weight: Tensor) -> Tensor:
    """(O, D) float32 -> (O,): what the steps of 8 bits stand for in each row, whose largest value takes 127."""
    return weight.abs().amax(dim=1).clamp_min(torch.finfo(torch.float32).tiny) / 127


LARGE = 1 << 20
"""Numbers of a matrix that outgrows a processor's own cache."""
COLUMNS = range(4, 49)
"""Rows that a large matrix is multiplied by as columns."""


class Product:
    """x @ weight.T + bias. weight: (O, D). bias: (O,).

    How weights lie decides how fast MKL multiplies few rows by them (docs/performance.md). Small ones are kept
    transposed. A large one is not: it is then read once for up to three rows, and for more of them a third faster from
    the left, with the rows as columns.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None, dtype: torch.dtype):
        self.weight = weight.to(dtype).t()  # (D, O)
        self.bias = weight.new_zeros(len(weight)).to(dtype) if bias is None else bias.to(dtype)
        by_mkl = dtype == torch.float32 and weight.device.type == "cpu"
        self._columns = COLUMNS if by_mkl and weight.numel() >= LARGE else ()
        self.weight = self.weight.t().contiguous().t() if self._columns else self.weight.contiguous()

    def __call__(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, D) -> (N, O), added to `onto` (N, O) instead of the bias where that is given."""
        if len(x) in self._columns:
            added = self.bias[:, None] if onto is None else onto.t()
            return torch.addmm(added, self.weight.t(), x.t()).t().contiguous()
        return torch.addmm(self.bias if onto is None else onto, x, self.weight)


class Int8Product:
    """The same with weights rounded to 8 bits, each output with a scale of its own, and rows likewise as they come.

    A row is scaled by its own largest value, so that its result does not depend on its neighbours (torch's dynamic
    quantisation takes one scale for all rows). Processors without VNNI add pairs of products in 16 bits: there
    rows have 7 bits, so that nothing is cut off.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None):
        if weight.device.type != "cpu":
            raise UserError("weights of 8 bits are for CPUs; leave out --quantize int8 on a GPU")
        weight = weight.float()
        scale = row_scales(weight)
        zero = torch.zeros(len(weight), dtype=torch.int64)
        with warnings.catch_warnings():  # torch means to take tensors like these away; its products without them
            warnings.simplefilter("ignore", UserWarning)  # (onednn.qlinear_pointwise, _int_mm) are slower so far
            rounded = torch.quantize_per_channel(weight, scale, zero, 0, torch.qint8)
        self.packed = torch.ops.quantized.linear_prepack(rounded, None)
        self.bias = None if bias is None else bias.float()
        self.steps = 127 if torch.cpu._is_vnni_supported() else 63

    def __call__(self, x: Tensor, onto: Tensor | None = None) -> Tensor:
        """(N, D) float32 -> (N, O) float32."""
        largest = x.abs().amax(dim=-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
        product = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32
        made = product(x / largest, 1 / self.steps, self.steps + 1, self.packed)
        added = self.bias if onto is None else onto
        return made * largest if added is None else torch.addcmul(added, made, largest)


def product(weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Product | Int8Product:
    """The product for weights of `dtype`: int8, or a type of floating point."""
    return Int8Product(weight, bias) if dtype == torch.int8 else Product(weight, bias, dtype)


class Int8Linear(nn.Module):
    """In place of a linear layer, with its weights rounded to 8 bits."""

    def __init__(self, linear: nn.Linear):
        super().__init__()
        self.product = Int8Product(linear.weight.detach(), None if linear.bias is None else linear.bias.detach())

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) float32 -> (..., O) float32."""
        return self.product(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


def quantised(model: nn.Module) -> nn.Module:
    """A copy of a model on the CPU whose linear layers have weights of 8 bits; it shares all other weights."""
    shared = {id(place): place for place in (*model.parameters(), *model.buffers())}
    made = copy.deepcopy(model, shared)
    for module in [module for module in made.modules() if not isinstance(module, nn.Linear)]:
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Linear):
                setattr(module, name, Int8Linear(child))
    return made
