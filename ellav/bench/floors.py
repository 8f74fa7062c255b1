"""What decoding and training must read and compute, counted from sizes alone.

A weight is counted where it is multiplied: embeddings are only looked up, norms cost nothing beside products.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ellav.models.ar import ARModel
from ellav.models.options import ModelOptions


def block_weights(options: ModelOptions) -> int:
    """Entries of the matrices of all blocks."""
    keys_and_values = 2 * options.groups * (options.width // options.heads)
    attention = options.width * (2 * options.width + keys_and_values)
    return options.layers * (attention + 2 * options.width * options.ffn)


def output_weights(model: ARModel) -> int:
    """Entries of the matrices around the blocks: of the output and, where rows have several streams, theirs."""
    streams = sum(linear.weight.numel() for linear in (model.join, model.split) if linear is not None)
    return len(model.sampled) * model.options.width + streams


def decoding_bytes(
    options: ModelOptions,
    output: int,
    weight_size: int,
    cache_size: int,
    steps: int,
    decoded: Sequence[tuple[int, int]],
    width: float = 1,
) -> float:
    """Bytes that decoding must read: all weights once a step, and of each sequence the cache as it grows.

    output: entries of the output's matrices. weight_size, cache_size: bytes of an entry. steps: of the model, prefixes
    included. decoded: of each sequence the rows of its prefix and those after it. width: rows that share a step, on
    average.
    """
    weights = (block_weights(options) + output) * weight_size
    entry = options.layers * 2 * options.groups * (options.width // options.heads) * cache_size  # keys and values
    seen = sum(rows * prefix + rows * (rows + 1) / 2 for prefix, rows in decoded)
    return steps * weights + entry * seen / width


def operations(
    options: ModelOptions,
    lengths: Sequence[int],
    predicted: int,
    output: int,
    causal: bool,
    text_lens: Sequence[int] | None = None,
) -> float:
    """Operations of one pass over sequences, a multiplication and an addition being two. A training step is three
    passes: forward, and backward to inputs and to weights.

    lengths: rows of each sequence. predicted: rows of which the output is computed. output: entries of its matrices.
    text_lens: leading rows of each that see each other in both directions, where the options ask for it.
    """
    rows = np.asarray(lengths, dtype=np.int64)
    pairs = int((rows * (rows + 1) // 2).sum() if causal else (rows * rows).sum())
    if causal and options.text_attention == "full" and text_lens is not None:
        text = np.asarray(text_lens, dtype=np.int64)
        pairs += int((text * (text - 1) // 2).sum())
    products = block_weights(options) * int(rows.sum()) + output * predicted
    return 2 * products + 4 * options.layers * options.width * pairs
