"""Parts of a step as CUDA graphs: what the host asks of a GPU is kept, and asked for again as a whole.

A part must read and write tensors that stay where they are, look at no number on the device, and take whatever else it
needs from its key: what it was captured with is what it does.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Hashable, Iterable

import torch
from torch import Tensor

MOST = 64
"""Graphs that are kept, the latest used."""

Work = Callable[[], None]


class Graphs:
    """Does work by its key: the first time as it is, to warm up; then captured, and replayed.

    warm: does work once before it is captured. capture: makes of work, without doing it, what does it; a RuntimeError
    says that it cannot, and from then on all work is done as it is. `cuda_graphs` makes them for a GPU.
    """

    def __init__(self, warm: Callable[[Work], None], capture: Callable[[Work], Work], most: int = MOST):
        self._warm, self._capture, self._most = warm, capture, most
        self._places: list[tuple] = []
        self._warmed: set[Hashable] = set()
        self._captured: dict[Hashable, Work] = {}
        self._able = True

    def run(self, key: Hashable, work: Work, tensors: Iterable[Tensor]) -> None:
        """Do the work of `key`, which may touch these tensors: where one of them has moved since, all is captured
        anew."""
        if not self._able:
            return work()
        places = [(tensor.data_ptr(), tensor.shape) for tensor in tensors]
        if places != self._places:
            self._places = places
            self._warmed.clear()
            self._captured.clear()
        if key not in self._captured and key not in self._warmed:
            self._warmed.add(key)
            return self._warm(work)
        replay = self._captured.pop(key, None)
        if replay is None:
            try:
                replay = self._capture(work)
            except RuntimeError as error:
                self._able = False
                self._captured.clear()
                warnings.warn(f"steps are not captured as CUDA graphs, and so slower: {error}", stacklevel=2)
                return work()
            if len(self._captured) >= self._most:
                self._captured.pop(next(iter(self._captured)))
        self._captured[key] = replay  # now the latest
        return replay()


def cuda_graphs(device: torch.device) -> Graphs:
    """For a GPU. All graphs share memory for what they compute in between: they never run at the same time."""
    stream, pool = torch.cuda.Stream(device), torch.cuda.graph_pool_handle()

    def warm(work: Work) -> None:
        stream.wait_stream(torch.cuda.current_stream(device))
        with torch.cuda.stream(stream):
            work()
        torch.cuda.current_stream(device).wait_stream(stream)

    def capture(work: Work) -> Work:
        graph = torch.cuda.CUDAGraph()
        # Errors count only what this thread asks of the GPU. The stream is left again also where capturing fails.
        kept = torch.cuda.graph(graph, pool=pool, stream=stream, capture_error_mode="thread_local")
        with torch.cuda.stream(stream), kept:
            work()
        return graph.replay

    return Graphs(warm, capture)
