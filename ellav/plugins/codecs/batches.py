"""Utterances of like length, coded together where a GPU would be idle with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

GPU_SECONDS = 300
"""Of padded speech that a GPU codes at once, unless one utterance is longer."""


def batches(lengths: list[int], most: float) -> Iterator[list[int]]:
    """Indices of similar lengths, longest first, whose padded sum is at most `most`; those of length 0 in none."""
    group: list[int] = []
    for index in sorted((i for i, length in enumerate(lengths) if length), key=lambda i: -lengths[i]):
        if group and (len(group) + 1) * lengths[group[0]] > most:
            yield group
            group = []
        group.append(index)
    if group:
        yield group


def encode_in_batches(
    wavs: list[np.ndarray], frames: Callable[[int], int], codebooks: int, most: float, together: Callable
) -> list[np.ndarray]:
    """(samples,) each -> codes (T, Q) int16 each.

    together: makes the codes (T or more, Q) of some waveforms at once, none of them empty. most: padded frames of
    these; 0 leaves each alone.
    """
    lengths = [frames(len(wav)) for wav in wavs]
    coded = [np.zeros((0, codebooks), np.int16) for _ in wavs]
    for group in batches(lengths, most):
        for i, codes in zip(group, together([wavs[i] for i in group]), strict=True):
            coded[i] = codes[: lengths[i]].astype(np.int16)
    return coded
