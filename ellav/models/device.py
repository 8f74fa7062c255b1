"""Where a model computes."""

from __future__ import annotations

import torch

from ellav.errors import UserError, one_line


def choose_device(wanted: str | None = None) -> torch.device:
    """The device of this name, or a GPU where there is one. Raises UserError, with those that there are, where it
    cannot be had."""
    name = wanted or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).item()
    except (RuntimeError, AssertionError, ValueError, TypeError, NotImplementedError) as error:
        there = ["cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
        hint = (
            "; `tools/setup_env.sh --torch cuda --force` installs torch for GPUs"
            if "CUDA enabled" in str(error)
            else ""
        )
        raise UserError(f"device {name!r}: {one_line(error, 120)}; there are: {', '.join(there)}{hint}") from None
    return device


def wait_for(device: torch.device) -> None:
    """Wait until a GPU has done all that it was asked for, before a clock is read."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def sent(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A tensor of the host on `device`. A GPU fetches it when it comes to it, from memory that does not move, so that
    nobody waits."""
    if torch.device(device).type != "cuda":
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)
