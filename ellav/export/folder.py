"""The folder that `ellav export` writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch

from ellav.data.outputs import RECORD, read_record, write_text, writing
from ellav.errors import UserError
from ellav.export.description import description
from ellav.export.networks import ARDepth, ARRows, NARLevel
from ellav.export.parity import compare
from ellav.export.writing import check_packages, write_graph
from ellav.infer.bundle import Bundle
from ellav.infer.requests import cross_sentence
from ellav.infer.synthesizer import Synthesizer
from ellav.models.ar import ARModel
from ellav.models.nar import NARModel
from ellav.types import DecodingRequest, Utterance
from ellav.version import __version__

STAGE = "ellav export"


def export(bundle: Bundle, out: Path) -> list[str]:
    """Write the graphs of a packed model and model.json into `out`; lines that tell what was written, none where all of
    it is there already.

    Nothing is at `out` before it has been compared with torch (`ellav.export.parity`). Raises UserError where a package
    is missing, where `out` holds anything else, and where what was written computes something else than torch.
    """
    check_packages()
    if out.exists() and read_record(out).get("stage") != STAGE and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: is there, and is nothing that `ellav export` wrote; name another folder with --out")
    files = sorted(path for path in bundle.folder.rglob("*") if path.is_file() and path.name != RECORD)
    with writing(out, STAGE, {"ellav": __version__, "torch": torch.__version__}, files) as folder:
        if folder is None:
            return []
        # The likeliest codes are compared; and what is exported is computed with in float32.
        plain = {"nar_temperature": 0, "match_voice": 0, "dtype": "float32", "watermark": None}
        voice = Synthesizer(bundle.folder, "greedy", device="cpu", **plain)
        codec = write(voice, folder)
        told = compare(folder, voice.pipeline, trial(voice), codec)
        size = sum(path.stat().st_size for path in folder.iterdir())
    told.append(f"{out}: {size / 1e6:.1f} MB. It chooses the same codes as torch; its speech carries no watermark")
    if codec is None:
        told.append(f"no codec.onnx: codec {voice.codec.name} cannot be exported; something else must decode its codes")
    if temperature := bundle.model["nar_temperature"]:
        told.append(
            f"nar_temperature {temperature:g} of the model is not exported: take the likeliest codes of nar.onnx"
        )
    if share := bundle.model["match_voice"]:
        told.append(f"match_voice {share:g} of the model is not exported: what nar.onnx tells is spoken as it is")
    return told


def write(voice: Synthesizer, folder: Path) -> torch.nn.Module | None:
    """Write all files; the codec's network, None where it cannot be exported."""
    write_ar(voice.pipeline.engine.model, folder / "ar.onnx")
    write_nar(voice.pipeline.nar, folder / "nar.onnx")
    codec = voice.codec.graph() if hasattr(voice.codec, "graph") else None
    if codec is not None:
        codes = torch.zeros(7, voice.pipeline.nar.codebooks, dtype=torch.int64)
        write_graph(codec, {"codes": codes}, {"codes": "frames"}, ["samples"], folder / "codec.onnx")
    write_text(folder / "model.json", json.dumps(description(voice, codec is not None), ensure_ascii=False) + "\n")
    return codec


def write_ar(model: ARModel, path: Path) -> None:
    """See `ARRows`, and for a model with depth `ARDepth`, as depth.onnx beside the other."""
    o = model.options
    example = {
        "ids": torch.zeros(3, model.streams, dtype=torch.int64),
        "positions": torch.arange(3),
        "sees": torch.arange(3) + 6,
        "cache": torch.zeros(5, o.layers, 2, o.groups, o.width // o.heads),
    }
    growing = {"ids": "rows", "positions": "rows", "sees": "rows", "cache": "before"}
    write_graph(ARRows(model), example, growing, ["logits", "entries"], path)
    if model.depth is not None:
        ids = torch.zeros(1, dtype=torch.int64)
        write_graph(ARDepth(model), {"ids": ids}, {"ids": "streams"}, ["added"], path.with_name("depth.onnx"))


def write_nar(model: NARModel, path: Path) -> None:
    """See `NARLevel`."""
    example = {
        "phones": torch.zeros(3, dtype=torch.int64),
        "durations": torch.tensor([2, 4, 1]),
        "codes": torch.zeros(7, model.codebooks, dtype=torch.int64),
        "prompt": torch.tensor(2),
        "codebook": torch.tensor(model.known),
    }
    growing = {"phones": "phones", "durations": "phones", "codes": "frames"}
    write_graph(NARLevel(model), example, growing, ["logits"], path)


def trial(voice: Synthesizer) -> DecodingRequest:
    """What is spoken to compare: the words of the last built-in prompt after the first one, so in the model's own
    language; where there are none, anything after noise."""
    if not voice.prompts:
        said = noise(voice)
        return cross_sentence("trial", said, said.phones, said.word_of_phone, voice.tokens)
    first, last = (voice.hear(name).prompt for name in (next(iter(voice.prompts)), list(voice.prompts)[-1]))
    return cross_sentence("trial", first, last.phones, last.word_of_phone, voice.tokens)


def noise(voice: Synthesizer, phones: int = 20) -> Utterance:
    """An utterance of random phones and codes, three frames a phone."""
    rng, codec = np.random.default_rng(0), voice.codec
    return Utterance(
        "noise",
        "noise",
        "und",
        rng.integers(len(voice.tokens), size=phones).astype(np.int32),
        np.arange(phones, dtype=np.int32),
        np.full(phones, 3, np.int32),
        rng.integers(codec.size, size=(3 * phones, codec.codebooks)).astype(np.int16),
    )
