"""Numbers of the hosts, added up over processes without asking a GPU, which would have to catch up first."""

from __future__ import annotations

import torch
from accelerate import Accelerator


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
