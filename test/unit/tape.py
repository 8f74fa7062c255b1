"""What a CUDA graph does, on a CPU: operations on tensors are put down and done again, and Python is not asked again.

Refused is what a graph cannot hold: numbers that the host wants to see, and tensors that the host makes.
"""

import contextlib

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ellav.infer.graphs import Graphs

SEEN_BY_THE_HOST = (
    "_local_scalar_dense",
    "item",
    "is_nonzero",
    "nonzero",
    "equal",
    "masked_select",
    "unique",
    "tolist",
)
MADE_BY_THE_HOST = ("lift_fresh", "lift_fresh_copy")


@contextlib.contextmanager
def unasked():
    """Tensors do not give their numbers to Python: some ways to them pass by torch's dispatcher on a CPU."""
    names = ("tolist", "numpy", "item", "cpu", "__float__", "__int__", "__bool__", "__array__")
    with pytest.MonkeyPatch.context() as patched:
        for name in names:
            patched.setattr(torch.Tensor, name, lambda *_, name=name: pytest.fail(f"a tensor was asked for its {name}"))
        yield


class Unseen(TorchDispatchMode):
    """Refuses what makes the host wait for a GPU, or a GPU for the host; `seen` counts it instead where `count`."""

    def __init__(self, count: bool = False):
        super().__init__()
        self.count, self.seen = count, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        with self:  # what an operation is made of is seen too
            parts = func.decompose(*args, **kwargs)
        if parts is not NotImplemented:
            return parts
        name = func.overloadpacket.__name__
        by_mask = name in ("index", "index_put", "index_put_") and any(
            one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1]
        )
        moved = name == "_to_copy" and kwargs.get("device") not in (None, args[0].device)
        if name in SEEN_BY_THE_HOST + MADE_BY_THE_HOST or by_mask or moved:
            assert self.count, f"{func} in what is to be captured"
            self.seen.append(name)
        return self.done(func, args, kwargs)

    def done(self, func, args, kwargs):
        return func(*args, **kwargs)


class Tape(Unseen):
    """tensors: what may be written; all else that is read has to stay as it is."""

    def __init__(self, tensors):
        super().__init__()
        self.places = {tensor.untyped_storage().data_ptr() for tensor in tensors}
        self.operations = []

    def done(self, func, args, kwargs):
        for argument, given in zip(func._schema.arguments, args, strict=False):
            if argument.alias_info is not None and argument.alias_info.is_write:
                assert given.untyped_storage().data_ptr() in self.places, f"{func} writes what does not stay"
        if "out" in kwargs:
            assert kwargs["out"].untyped_storage().data_ptr() in self.places, f"{func} writes what does not stay"
        result = func(*args, **kwargs)
        for made in result if isinstance(result, (list, tuple)) else [result]:
            self.places.add(made.untyped_storage().data_ptr())
        self.operations.append((func, args, kwargs, result))  # kept, so that no two tensors are at one place
        return result

    def replay(self) -> None:
        now = {}

        def of_now(given):
            if isinstance(given, (list, tuple)):
                return [of_now(one) for one in given]
            return now.get(id(given), given) if isinstance(given, torch.Tensor) else given

        for func, args, kwargs, result in self.operations:
            again = func(*of_now(args), **{name: of_now(given) for name, given in kwargs.items()})
            for before, made in zip(
                *(x if isinstance(x, (list, tuple)) else [x] for x in (result, again)), strict=True
            ):
                now[id(before)] = made


class TapedGraphs:
    """`Graphs` with a tape for a GPU. captured: keys, as often as they were."""

    def __init__(self):
        self.graphs, self.captured, self.replayed = Graphs(lambda work: work(), self.capture), [], 0

    def run(self, key, work, tensors):
        self.tensors, self.key = list(tensors), key
        self.graphs.run(key, work, self.tensors)

    def capture(self, work):
        self.captured.append(self.key)
        before = [tensor.clone() for tensor in self.tensors]
        tape = Tape(self.tensors)
        with tape, unasked():
            work()
        for tensor, old in zip(self.tensors, before, strict=True):  # capturing is not yet doing
            tensor.copy_(old)

        def replay():
            self.replayed += 1
            tape.replay()

        return replay
