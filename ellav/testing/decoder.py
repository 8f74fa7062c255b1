"""The laws of the decoder contract: which ids may be chosen, and from what."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from ellav.plugins.decoders import Decoder
from ellav.testing.contract import METHOD, Group, demand, has, is_count, keep_laws, law

Case = dict[str, torch.Tensor]
"""What a decoder is called with, by name."""


def check_decoder(decoder: Decoder, cases: int = 100, seed: int = 0) -> None:
    """Call `decoder` with random batches. Raises ContractError with the smallest counter-example."""
    keep_laws(decoder_laws(decoder, cases, seed))


def decoder_laws(decoder: Decoder, cases: int = 100, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; batches go from small to large."""
    yield [attributes], [(decoder,)]
    batches = [(decoder, random_batch(np.random.default_rng([seed, i]), decoder.history, i)) for i in range(cases)]
    yield [one_id_a_row], batches
    yield [allowed_ids, repeatable, rows_alone, inputs_kept], batches


def random_batch(rng: np.random.Generator, history: int, number: int) -> Case:
    """Logits with forbidden ids, uniforms up to both ends, histories short and long; larger with `number`."""
    size, ids = 1 + number % 4, 2 + number // 4
    logits = rng.normal(0, rng.choice([0.1, 3, 30]), (size, ids)).astype(np.float32)
    forbidden = rng.random((size, ids)) < 0.5
    forbidden[np.arange(size), rng.integers(0, ids, size)] = False
    uniforms = rng.choice([rng.random(), 0.0, 1 - 2.0**-24], (size, 2)).astype(np.float32)
    past = rng.integers(0, ids, (size, history))
    for row in past:
        row[: rng.integers(0, history + 1)] = -1
    return {
        "logits": torch.from_numpy(np.where(forbidden, -np.inf, logits).astype(np.float32)),
        "uniforms": torch.from_numpy(uniforms),
        "history": torch.from_numpy(past),
        "codes": torch.from_numpy(rng.random(ids) < 0.8),
    }


def _show(_decoder: Decoder, batch: Case) -> str:
    if batch["logits"].numel() > 12:
        return f"logits of shape {tuple(batch['logits'].shape)}"
    return ", ".join(f"{name} = {_plain(value)}" for name, value in batch.items())


def _plain(value: torch.Tensor) -> list:
    return value.tolist() if value.dtype == torch.bool else np.round(value.numpy(), 3).tolist()


def _call(decoder: Decoder, batch: Case) -> torch.Tensor:
    return decoder(*(value.clone() for value in batch.values()))


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(decoder: Decoder) -> None:
    """How much of the past it wants to see."""
    has(decoder, history=(lambda value: is_count(value, 0), "a number of codes, 0 for none"), __call__=METHOD)


@law("one id a row comes back", "Return an int64 tensor of shape (B,): one id for each row of logits.", _show)
def one_id_a_row(decoder: Decoder, batch: Case) -> None:
    """Shape and kind of the result."""
    ids, rows = _call(decoder, batch), len(batch["logits"])
    demand(isinstance(ids, torch.Tensor), f"a {type(ids).__name__} comes back")
    demand(ids.shape == (rows,), f"shape {tuple(ids.shape)} comes back, not ({rows},)")
    demand(not ids.dtype.is_floating_point and ids.dtype != torch.bool, f"{ids.dtype} comes back, not int64")


@law(
    "only allowed ids are chosen",
    "Give ids of logit -inf no chance, also where a uniform is 0 or almost 1.",
    _show,
)
def allowed_ids(decoder: Decoder, batch: Case) -> None:
    """The id's logit is finite."""
    for row, id in enumerate(_call(decoder, batch).tolist()):
        demand(0 <= id < batch["logits"].shape[1], f"row {row} chooses {id}, which is no id")
        demand(bool(batch["logits"][row, id].isfinite()), f"row {row} chooses {id}, which is forbidden")


@law(
    "the result follows from the arguments",
    "Draw with the uniforms that are given, not with torch's or Python's random numbers, and keep nothing between "
    "calls.",
    _show,
)
def repeatable(decoder: Decoder, batch: Case) -> None:
    """Equal arguments give equal ids."""
    first = _call(decoder, batch)
    for _ in range(4):
        demand(torch.equal(first, _call(decoder, batch)), "a second call with the same arguments gives other ids")


@law(
    "a row's id does not depend on its neighbours",
    "Compute along the last dimension only: no maximum, sum or sorting over the batch.",
    _show,
)
def rows_alone(decoder: Decoder, batch: Case) -> None:
    """Each row alone gives what it gives in the batch."""
    together = _call(decoder, batch)
    for row in range(len(together)):
        alone = {name: value if name == "codes" else value[row : row + 1] for name, value in batch.items()}
        found = _call(decoder, alone)[0]
        demand(bool(found == together[row]), f"row {row} alone gives {int(found)}, in the batch {int(together[row])}")


@law("the arguments are not changed", "Work on copies: no operation whose name ends with `_`.", _show)
def inputs_kept(decoder: Decoder, batch: Case) -> None:
    """No operation in place."""
    given = {name: value.clone() for name, value in batch.items()}
    decoder(*given.values())
    for name, value in batch.items():
        demand(torch.equal(given[name], value), f"`{name}` is changed")
