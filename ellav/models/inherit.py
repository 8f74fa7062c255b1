"""A fresh model that begins with the weights of another one, each taken by what it stands for."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import torch

from ellav.errors import UserError
from ellav.models.ar import ARModel
from ellav.models.languages import LANGUAGES
from ellav.models.nar import PLACES, NARModel
from ellav.models.trained import Trained, maker_of_codes
from ellav.plugins.orderings import Ordering

SHAPE = ("layers", "width", "heads", "ffn", "kv_heads", "positions", "qk_norm")
"""Options in which two models are alike, or no weight of one means anything to the other."""
_OF_STREAMS = ("join.weight", "split.weight", "depth.weight")


def begin_from(
    model: ARModel | NARModel, ordering: Ordering, config: dict, source: Trained, where: Path
) -> tuple[list[str], list[str]]:
    """Copy into `model` what the model in the folder `where` has of the same kind, and say what was taken and what is
    new, a line for each kind of thing.

    Embeddings go by the phone, control or code that they are of; codes only if the same codec made them, or one that
    was adapted from it. All else goes by its place. config: the content of the config.yaml to be. Raises UserError
    where the models differ in shape.
    """
    theirs = source.config
    for name in SHAPE:
        ours, given = getattr(model.options, name), getattr(source.model.options, name)
        if ours != given:
            raise UserError(f"--init-from {where}: has {name}={given}, not {ours}; give --model-conf {name}={given}")
    known = _symbols(source.model, source.ordering, theirs)
    wanted = _symbols(model, ordering, config)
    if not _same_codes(theirs["codec"], config["codec"]):
        known = [symbol if symbol[0] != "code" else ("code of another codec", *symbol[1:]) for symbol in known]
    row = {symbol: number for number, symbol in enumerate(known)}
    found: dict[str, list] = defaultdict(list)
    missing: dict[str, list] = defaultdict(list)
    with torch.no_grad():
        for number, symbol in enumerate(wanted):
            if symbol in row:
                model.table[number] = source.model.table[row[symbol]]
            (found if symbol in row else missing)[symbol[0]].append(symbol[1:])
        rest = _take_rest(model, source.model)
    taken = [f"{len(some)} of {len(some) + len(missing[kind])} {kind}s" for kind, some in found.items()]
    new = [_named(kind, some) for kind, some in missing.items() if some]
    return ["all blocks", *taken], new + rest


def _symbols(model: ARModel | NARModel, ordering: Ordering, config: dict) -> list[tuple]:
    """What each row of the table stands for: ("phone", "AA"), ("code", codebook, number), ("control", "bos"), ..."""
    if isinstance(model, NARModel):
        codes = [("code", book, number) for book in range(model.codebooks) for number in range(model.size)]
        return [*codes, *(("phone", phone) for phone in config["phones"]), *(("place", i) for i in range(PLACES))]
    made, codebook = [], 0
    for name, size in ordering.vocabulary.sizes.items():
        if name.startswith("codes"):
            made += [("code", codebook, number) for number in range(size)]
            codebook += 1
        elif name == "phones":
            made += [("phone", phone) for phone in config["phones"]]
        elif name == LANGUAGES:
            made += [("language", language) for language in config["languages"]]
        else:
            made += [("control", name) if size == 1 else ("control", name, number) for number in range(size)]
    return made


def _same_codes(theirs: dict, ours: dict) -> bool:
    one, other = maker_of_codes(theirs), maker_of_codes(ours)
    return one.get("fingerprint") is not None and one["fingerprint"] in (
        other.get("fingerprint"),
        other.get("adapted_from"),
    )


def _take_rest(model: ARModel | NARModel, source: ARModel | NARModel) -> list[str]:
    """Copy all weights but the table; returns what is new. The first levels of a NAR model stay the first."""
    given, new = source.state_dict(), []
    for name, weight in model.state_dict().items():
        if name == "table":
            continue
        if name in given and given[name].shape == weight.shape:
            weight.copy_(given[name])
        elif name.endswith("by_level") and name in given:
            levels = min(len(weight), len(given[name]))
            weight[:levels] = given[name][:levels]
        elif name in _OF_STREAMS:
            new.append(name.removesuffix(".weight"))
    if isinstance(model, NARModel) and model.codebooks > source.codebooks:
        new.append(f"levels from codebook {source.codebooks + 1} on")
    return new


def _named(kind: str, some: list[tuple]) -> str:
    if kind == "code":
        books = sorted({book for book, _ in some})
        return "codes of codebook " + ", ".join(str(book + 1) for book in books)
    return f"{kind}s " + " ".join(str(symbol[0]) for symbol in some)
