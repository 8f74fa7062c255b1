"""What training writes: config.yaml, weights in safetensors, and the state to resume from.

`ellav.models.trained` reads the first two.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ellav.config import yaml_text
from ellav.data.outputs import beside, write_text
from ellav.errors import UserError
from ellav.models.options import ModelOptions
from ellav.plugins.orderings import orderings
from ellav.version import __version__

STATE = "state.pt"


def describe_model(
    kind: Literal["ar", "nar"],
    options: ModelOptions,
    ordering: str,
    ordering_conf: dict,
    phones: list[str],
    stats: dict,
    codec: dict,
) -> dict:
    """The content of config.yaml: all that the weights depend on. codec: what made the codes."""
    return {
        "kind": kind,
        "version": __version__,
        "model": asdict(options),
        "ordering": orderings.described(ordering, ordering_conf),
        "phones": list(phones),
        "stats": dict(stats),
        "codec": codec,
    }


def save_weights(weights: dict[str, Tensor], path: Path) -> None:
    """Write safetensors beside and rename."""
    with beside(path) as temporary:
        save_file({name: value.detach().cpu().contiguous() for name, value in weights.items()}, temporary)


def is_whole(path: Path) -> bool:
    """Whether a safetensors file is there in its full length."""
    try:
        with safe_open(path, "pt"):
            return True
    except (OSError, SafetensorError):
        return False


def save_config(config: dict, folder: Path) -> None:
    """Write config.yaml."""
    write_text(folder / "config.yaml", yaml_text(config))


def save_state(state: dict, folder: Path) -> None:
    """Write state.pt: tensors and plain values only. One file, so it is never half new."""
    with beside(folder / STATE) as temporary, open(temporary, "wb") as stream:
        torch.save(state, stream)


def load_state(folder: Path) -> dict | None:
    """What `save_state` wrote, or None where there is nothing."""
    path = folder / STATE
    if not path.exists():
        return None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for a torn or foreign file
        reason = str(error).splitlines()[0][:120]
        raise UserError(f"{path}: not readable ({reason}); remove it to start anew") from None
