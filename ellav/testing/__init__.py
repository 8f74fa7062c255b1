"""Contract checks for plugin authors; `drive` is the plain meaning of decoding scripts.

`check_ordering(MyOrdering())` and its sisters raise ContractError; `ellav plugins check` shows
every law that is broken.
"""

import importlib

from ellav.testing.contract import ContractError

_HOMES = {
    "check_aligner": "aligner",
    "check_codec": "codec",
    "check_decoder": "decoder",
    "check_ordering": "ordering",
    "check_scorer": "scorer",
    "check_set_aligner": "set_aligner",
    "check_text": "text",
    "check_transcriber": "transcriber",
    "check_watermark": "watermark",
}

__all__ = ["ContractError", *_HOMES]


def __getattr__(name: str):
    if name in _HOMES:  # imported where used: a decoder's check needs torch, an ordering's does not
        return getattr(importlib.import_module(f"ellav.testing.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'ellav.testing' has no attribute {name!r}")
