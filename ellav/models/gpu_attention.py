"""Attention on GPUs by torch's kernel for sequences of any lengths (`torch.nn.attention.varlen`, FlashAttention).

Why this one: `scaled_dot_product_attention` gives its flash kernel no mask at all, and turns a boolean mask into a
float one of the queries' type before its memory-efficient kernel, in every layer anew. This kernel takes where
sequences begin and how much of each is there as numbers on the device: no mask, no padding, nothing for the host to
wait for, and shapes that stay, as a CUDA graph needs. It wants bfloat16 or float16, heads of a multiple of 8 up to 256,
and compute capability 8; whatever else goes to `scaled_dot_product_attention`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ellav.models.device import sent

PAGE = 256
"""The kernel reads a cache in pages of a multiple of so many entries."""

CAUSAL, FULL = (-1, 0), (-1, -1)
"""How far before and behind itself a row sees, -1 being all the way; the last query stands at the last key."""


@functools.cache
def kernel() -> Callable | None:
    """torch's function, or None where the installed torch has none that reads a cache."""
    try:
        from torch.nn.attention.varlen import varlen_attn
    except ImportError:
        return None
    needed = {"enable_gqa", "seqused_k", "block_table", "num_splits"}
    return varlen_attn if needed <= set(inspect.signature(varlen_attn).parameters) else None


def takes(device: torch.device, dtype: torch.dtype, size: int) -> bool:
    """Whether the kernel takes heads of `size` numbers of `dtype` there."""
    if device.type != "cuda" or dtype not in (torch.bfloat16, torch.float16) or size % 8 or size > 256:
        return False
    capable = torch.version.hip is None and torch.cuda.get_device_capability(device) >= (8, 0)
    return capable and kernel() is not None


@functools.cache
def reads_caches(device: torch.device, dtype: torch.dtype, size: int) -> bool:
    """Whether the kernel also reads a cache there, tried on a small one: not every build of torch can, whatever its
    function says."""
    if not takes(device, dtype, size):
        return False
    numbers = torch.arange(3 * PAGE * size, device=device).sin().to(dtype).view(3, PAGE, size)
    q, entries, at = numbers[0, :2, None], numbers[1:, None, None], torch.tensor([5], device=device)
    hidden = torch.arange(PAGE, device=device) > at + torch.arange(2, device=device)[:, None]
    wanted = F.scaled_dot_product_attention(q.transpose(0, 1)[None], *entries, attn_mask=~hidden)
    try:
        made = CacheReading(at, 2, PAGE)(q, entries)
    except RuntimeError:
        return False
    return torch.allclose(made.float(), wanted[0].transpose(0, 1).float(), atol=0.02)


class Packing:
    """Attention of each packed sequence to itself alone, all of them at once, with gradients.

    lengths: rows of each sequence. rows: of all, padding behind the last sequence included, which becomes a sequence of
    its own: what the kernel is not told of, it leaves as memory was. text_lens: see `transformer.packed_attention`.
    """

    def __init__(
        self, lengths: Sequence[int], rows: int, causal: bool, text_lens: Sequence[int] | None, device: torch.device
    ):
        padding = rows - sum(lengths)
        lengths = [*lengths, padding] if padding else list(lengths)
        self.longest, self.window = max(lengths), CAUSAL if causal else FULL
        self.bounds = sent(bounds(lengths), device)  # (N + 1,)
        self.text = None
        if causal and text_lens is not None and any(text_lens):
            begin = bounds(lengths)
            text = torch.cat([torch.arange(n) + begin[i] for i, n in enumerate(text_lens)])
            self.text = sent(text, device)  # (P,) rows of the prefixes
            self.text_bounds, self.longest_text = sent(bounds(text_lens), device), max(text_lens)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(T, H, hd). q: (T, H, hd). k, v: (T, G, hd), each head of them for H / G heads of queries."""
        q, k = q.to(v.dtype), k.to(v.dtype)
        out = self._attend(q, k, v, self.bounds, self.longest, self.window)
        if self.text is None:
            return out
        # Prefixes see themselves in both directions: once more, by themselves.
        among = self._attend(q[self.text], k[self.text], v[self.text], self.text_bounds, self.longest_text, FULL)
        return out.index_copy(0, self.text, among)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, bounds: Tensor, longest: int, window) -> Tensor:
        grouped = q.shape[1] != k.shape[1]
        return kernel()(q, k, v, bounds, bounds, longest, longest, window_size=window, enable_gqa=grouped)


class CacheReading:
    """Attention of `width` new rows of each of the first sequences of a cache, each to the entries up to its own.

    start: (B,), entries before the new rows, which are in the cache already when it is read. length: of the cache, a
    multiple of PAGE. One sequence is one page, so that keys lie as torch's other kernels want them.
    """

    def __init__(self, start: Tensor, width: int, length: int):
        count = len(start)
        whole = {"dtype": torch.int32, "device": start.device}
        self.width, self.length = width, length
        self.queries = torch.arange(0, count * width + 1, width, **whole)
        self.pages = torch.arange(count, **whole)[:, None]
        self.places = torch.arange(0, count * length + 1, length, **whole)
        self.used = (start + width).to(torch.int32)

    def __call__(self, q: Tensor, entries: Tensor) -> Tensor:
        """(B W, H, hd). q: (B W, H, hd). entries: (2, rows, G, L, hd), keys and values of a layer.

        num_splits=1: a long sequence is not cut into parts, as many as suit its neighbours, so that the sum is the same
        beside any of them.
        """
        keys, values = entries.transpose(2, 3).unbind(0)  # (rows, L, G, hd) each
        return kernel()(
            q,
            keys,
            values,
            self.queries,
            self.places,
            self.width,
            self.length,
            window_size=CAUSAL,
            enable_gqa=q.shape[1] != keys.shape[2],
            seqused_k=self.used,
            block_table=self.pages,
            num_splits=1,
        )


def bounds(lengths: Sequence[int]) -> Tensor:
    """(N + 1,) int32: where each sequence begins, and where the last one ends."""
    return torch.tensor([0, *lengths]).cumsum(0).to(torch.int32)
