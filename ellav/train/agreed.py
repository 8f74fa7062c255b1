"""What processes have to agree on: numbers of the hosts, added up without asking a GPU, which would have to catch up
first, and what the first one has seen."""

from __future__ import annotations

from typing import TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

T = TypeVar("T")


def of_first(value: T) -> T:
    """The value that the first process has: what a file system shows may differ from machine to machine."""
    return broadcast_object_list([value])[0]


class HostSums:
    """Sums over all processes of what each host knows."""

    def __init__(self, accelerator: Accelerator):
        self._group = None
        if accelerator.num_processes > 1:
            self._group = torch.distributed.new_group(backend="gloo")

    def __call__(self, *numbers: float) -> list[float]:
        """The sum of each number over the processes, which all call this as often; alone, the numbers themselves."""
        if self._group is None:
            return [float(number) for number in numbers]
        sums = torch.tensor(numbers, dtype=torch.float64)
        torch.distributed.all_reduce(sums, group=self._group)
        return sums.tolist()
