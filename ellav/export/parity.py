"""Whether exported graphs, run by onnxruntime, compute what torch does: numbers, and the codes that are chosen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from ellav.errors import UserError
from ellav.infer.pipeline import Pipeline, nar_input
from ellav.models.ar import ARModel
from ellav.models.nar import NARInput, NARModel
from ellav.plugins.orderings import Ordering
from ellav.testing.drive import drive
from ellav.types import NONE, DecodingRequest, DecodingScript

if TYPE_CHECKING:
    import onnxruntime

LOGITS = 1e-3
"""How far a logit may be from torch's."""

SAMPLES = 0.01
"""Root mean square of what samples may be away from torch's, as a share of theirs: what the last digits differ by grows
in each iteration of Griffin-Lim."""


def session(path: Path) -> onnxruntime.InferenceSession:
    """A graph, ready to run on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


class ARGraph:
    """The exported AR model on one sequence of an ordering, in which the likeliest id is always chosen."""

    def __init__(self, path: Path, model: ARModel, ordering: Ordering):
        self.model, self.ordering, self._session = model, ordering, session(path)
        self._depth = None if model.depth is None else session(path.with_name("depth.onnx"))
        self._sampled = model.sampled.numpy()
        options = model.options
        self._entry = (options.layers, 2, options.groups, options.width // options.heads)

    def decode(self, script: DecodingScript) -> tuple[np.ndarray, float, int]:
        """Rows (L, S) of a script and of those that follow it, how far logits are from torch's at most, and how often
        they were asked for."""
        furthest, steps, following = 0.0, 0, script
        while following is not None:
            script = following
            self._cache, self._said, self._at = np.zeros((0, *self._entry), np.float32), [], []
            driven = drive(script, self.ordering.states, self.ordering.positions, self._chooser(script))
            wanted = self._by_torch(driven.ids, driven.positions, script)[self._at]
            furthest = max(furthest, float(np.abs(np.stack(self._said) - wanted).max()))
            steps += len(self._at)
            following = script.next(driven.ids) if script.next else None
        return driven.ids, furthest, steps

    def _chooser(self, script: DecodingScript) -> Callable:
        place, state = script.next_position, None  # state: in which the last row was chosen

        def choose(rows: list[np.ndarray], segment: int, allowed: np.ndarray) -> np.ndarray:
            nonlocal place, state
            begun = len(self._cache)
            positions = list(script.positions[begun:])
            for number in range(max(begun, len(script.prefix)), len(rows)):
                positions.append(place)
                chosen = number == begun  # the rows behind it are forced ones
                holds_frame = chosen and not (state.own_row and rows[number][0] == state.trigger)
                place += self.ordering.positions == "token" or holds_frame
            state = self.ordering.states[script.state[segment]]
            sees = np.arange(begun, len(rows)) + 1
            if self.model.options.text_attention == "full":
                sees = np.where(sees <= script.text_len, script.text_len, sees)
            given = {"ids": np.array(rows[begun:], np.int64), "positions": np.array(positions, np.int64)}
            logits, entries = self._session.run(None, {**given, "sees": sees, "cache": self._cache})
            self._cache = np.concatenate([self._cache, entries])
            self._said.append(logits)
            self._at.append(len(rows) - 1)
            ids = np.empty(len(logits), np.int64)
            for s, scores in enumerate(logits):
                if s and self._depth is not None:
                    scores = scores + self._depth.run(None, {"ids": ids[:s]})[0]
                held = script.hold[segment, s]
                likeliest = self._sampled[np.where(allowed[s, self._sampled], scores, -np.inf).argmax()]
                ids[s] = likeliest if held == NONE else held
            return ids

        return choose

    @torch.inference_mode()
    def _by_torch(self, ids: np.ndarray, positions: np.ndarray, script: DecodingScript) -> np.ndarray:
        rows = [torch.from_numpy(each.astype(np.int64)) for each in (ids, positions)]
        return self.model.logits(self.model(*rows, [len(ids)], [script.text_len])).numpy()  # (L, S, O)


class NARGraph:
    """The exported NAR model, of which the likeliest codes are always chosen."""

    def __init__(self, path: Path, model: NARModel):
        self.model, self._session = model, session(path)

    def complete(self, item: NARInput) -> tuple[np.ndarray, float]:
        """All codebooks (T, Q) of an item, and how far logits are from torch's at most."""
        model, prompt, furthest = self.model, len(item.prompt), 0.0
        codes = np.zeros((len(item.codes), model.codebooks), np.int64)
        codes[:, : model.known] = item.codes[:, : model.known]
        codes[:prompt] = item.prompt[:, : model.codebooks]
        durations = np.zeros_like(item.phones) if item.durations is None else item.durations
        given = {"phones": item.phones.astype(np.int64), "durations": durations.astype(np.int64), "codes": codes}
        for codebook in range(model.known, model.codebooks):
            (logits,) = self._session.run(None, {**given, "prompt": np.array(prompt), "codebook": np.array(codebook)})
            furthest = max(furthest, float(np.abs(logits - self._by_torch(item, codes, codebook))[prompt:].max()))
            codes[prompt:, codebook] = logits[prompt:].argmax(-1)
        return codes, furthest

    @torch.inference_mode()
    def _by_torch(self, item: NARInput, codes: np.ndarray, codebook: int) -> np.ndarray:
        rows = self.model.rows(item.phones, item.durations, codes, len(item.prompt), codebook)
        ids, positions = torch.from_numpy(rows.ids), torch.from_numpy(rows.positions)
        hidden = self.model(ids, positions, [len(rows)], torch.tensor(codebook - self.model.known))
        return self.model.logits(hidden[rows.first :], codebook).numpy()  # (T, size)


def compare(folder: Path, pipeline: Pipeline, request: DecodingRequest, codec: torch.nn.Module | None) -> list[str]:
    """Speak `request` by the graphs in `folder` and by torch, and tell in a line for each graph how far they are apart.

    pipeline: of the same models, with the decoder that takes the likeliest. codec: what was exported, if it could be.
    Raises UserError where numbers are too far away, or other codes come out.
    """
    engine, nar = pipeline.engine, pipeline.nar
    (read,) = pipeline.read([request])
    script = engine.ordering.script(pipeline.fitting(request))
    rows, furthest, steps = ARGraph(folder / "ar.onnx", engine.model, engine.ordering).decode(script)
    said = [_told("ar.onnx", f"logits of {steps} steps", furthest, LOGITS)]
    _check_codes("ar.onnx", engine.ordering.restore(rows).codes, read.codes[:, : nar.known])

    item = nar_input(pipeline.fitting(request), read.durations, read.codes[:, : nar.known], pipeline.nar_prompt)
    codes, furthest = NARGraph(folder / "nar.onnx", nar).complete(item)
    said.append(_told("nar.onnx", f"logits of {len(codes) - len(item.prompt)} frames", furthest, LOGITS))
    _check_codes("nar.onnx", codes, read.codes[len(read.codes) - len(codes) :])

    if codec is not None:
        spoken = read.codes[len(request.codes) :].astype(np.int64)
        with torch.inference_mode():
            wanted = codec(torch.from_numpy(spoken)).numpy()
        (wav,) = session(folder / "codec.onnx").run(None, {"codes": spoken})
        if wav.shape != wanted.shape:
            raise UserError(f"codec.onnx: makes {len(wav)} samples, torch {len(wanted)}; nothing was exported")
        away = float(np.sqrt(np.square(wav - wanted).mean() / np.square(wanted).mean()))
        said.append(_told("codec.onnx", f"{len(wav)} samples (root mean square)", away, SAMPLES))
    return said


def _told(name: str, what: str, furthest: float, allowed: float) -> str:
    """A line on what was compared. Raises UserError where it is too far away."""
    if not furthest <= allowed:  # nor may it be no number
        raise UserError(
            f"{name}: {what} are up to {furthest:.1e} away from torch's where {allowed:g} is allowed; nothing was"
            " exported. Try the versions of onnxruntime and torch that are in tools/constraints.txt"
        )
    return f"{name}: {what} within {furthest:.1e} of torch's ({allowed:g} allowed)"


def _check_codes(name: str, made: np.ndarray, wanted: np.ndarray) -> None:
    if not np.array_equal(made, wanted):
        raise UserError(f"{name}: other codes come out than torch chooses; nothing was exported")
