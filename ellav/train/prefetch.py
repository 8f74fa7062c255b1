"""Batches on their way to a GPU while it still works on the one before."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch

from ellav.data.batching import Place
from ellav.train.objectives import Batch


def ahead(stream: Iterator[tuple[Batch, Place]], device: torch.device) -> Iterator[tuple[Batch, Place]]:
    """The same batches with the same places, on a GPU copied there one batch early; elsewhere the stream itself."""
    if device.type != "cuda":
        return stream
    return one_ahead(stream, *side_copies(device))


def one_ahead(stream: Iterator, begin: Callable, ready: Callable) -> Iterator[tuple[Batch, Place]]:
    """begin: starts to copy a batch, and returns the copy. ready: of a copy, called before it is given out."""
    coming = None
    for batch, place in stream:
        following = begin(batch), place
        if coming is not None:
            yield ready(coming[0]), coming[1]
        coming = following
    if coming is not None:
        yield ready(coming[0]), coming[1]


def side_copies(device: torch.device) -> tuple[Callable, Callable]:
    """`begin` and `ready` by a stream of the GPU's own: neither the host nor the step before waits for a copy."""
    side = torch.cuda.Stream(device)

    def begin(batch: Batch) -> tuple[Batch, torch.cuda.Event]:
        with torch.cuda.stream(side):
            return batch.to(device), side.record_event()

    def ready(coming: tuple[Batch, torch.cuda.Event]) -> Batch:
        batch, copied = coming
        working = torch.cuda.current_stream(device)
        working.wait_event(copied)
        for tensor in batch.tensors.values():
            tensor.record_stream(working)  # its memory is not given away while the step still reads it
        return batch

    return begin, ready
