"""Codecs: waveforms to codes and back."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from ellav.config import read_yaml
from ellav.errors import UserError
from ellav.plugins.registry import Registry

if TYPE_CHECKING:
    import torch


class Codec(Protocol):
    """A residual codec of Q codebooks with `size` entries each at `frame_rate` Hz.

    Attributes: sample_rate (Hz), frame_rate (frames per second), codebooks (Q), size.
    A codec that is trained by the recipe has `trainable = True` and a `fit`, or is a `LearnedCodec`.
    """

    name: str
    trainable: bool
    sample_rate: int
    frame_rate: float
    codebooks: int
    size: int

    def frames(self, samples: int) -> int:
        """Number of frames T that `encode` makes of so many samples."""

    def fit(self, wavs: list[np.ndarray], seed: int = 0) -> None:
        """Learn the codebooks from (samples,) float32 waveforms at `sample_rate`."""

    def encode(self, wavs: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 in [-1, 1] each -> codes (T, Q) int16 each."""

    def decode(self, codes: list[np.ndarray]) -> list[np.ndarray]:
        """Codes (T, q), q <= Q, each -> (samples,) float32 each."""

    def save(self, folder: Path) -> None:
        """Write the weights (safetensors) into an existing folder."""

    def load(self, folder: Path) -> None:
        """Read what `save` wrote; raises UserError naming the file where it does not fit."""


class StreamingCodec(Codec, Protocol):
    """A codec that decodes a window of the frames as it decodes all of them says so by this attribute. Of any other
    one, windows are cross-faded where they meet (`ellav.infer.codec_windows`).

    stream_context: frames before and after a frame that its samples depend on: with so many around them, the samples
    of a window are those of the whole. A frame then has a whole number of samples.
    """

    stream_context: tuple[int, int]


class DeviceCodec(Codec, Protocol):
    """A codec that can code on a GPU has this too (`ellav encode --device cuda`)."""

    def to(self, device: str) -> None:
        """From now on `encode` computes on `device`, cpu or cuda. On a GPU it takes waveforms of like length together;
        the codes of each are those that it has alone, but where sums that are rounded otherwise decide."""


class VectorCodec(Codec, Protocol):
    """A codec whose quantiser adds vectors up tells them, and models begin with codes that sound alike embedded alike
    (`ellav.models.code_embeddings`) instead of having to learn from speech which do."""

    def vectors(self) -> np.ndarray:
        """(Q, size, D) float32: what each code adds to the vector that a frame is decoded from."""

    def decode_vectors(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """Sums of vectors (T, D) float32 each -> (samples,) float32 each, those of the codes whose vectors they are.

        May be missing; then nothing can be spoken that lies between codes (`nar_temperature`,
        `match_voice`).
        """


class AdaptableCodec(Codec, Protocol):
    """A codec that has learned can be bent to speech unlike what it learned from (`ellav fit-codec --adapt`)."""

    def adapt(self, wavs: list[np.ndarray], seed: int = 0) -> None:
        """Change what codes stand for, as little as these (samples,) float32 at `sample_rate` need: models that know
        the codes then have little to learn anew."""


class GraphCodec(Codec, Protocol):
    """A codec that can be exported (`ellav export`) has this too: programs without torch then decode with it."""

    def graph(self) -> torch.nn.Module:
        """What decodes as `decode` does, in tensors alone and for any T: codes (T, Q) int64 -> (samples,) float32."""


@dataclass(frozen=True)
class CodecTraining:
    """How a codec is trained: frames_seen, codec frames read in all; batch, pieces of `seconds` a step; lr, AdamW's
    learning rate at its peak; muon_lr, that of the matrices inside the network, which Muon learns, or 0: AdamW does."""

    frames_seen: int
    batch: int
    seconds: float
    lr: float
    muon_lr: float = 0.0


class LearnedCodec(Codec, Protocol):
    """A codec that learns by gradient has these instead of `fit`; `ellav fit-codec` does the rest: reading, steps,
    checkpoints, TensorBoard.

    network: a torch module, which holds all that is learned. training: how. learns_phones: whether it is told which
    phone is spoken in each frame, by the alignment of stage 3; then `loss` and `measure` are also given `phones`,
    (B, T) int64 below the count that `expect_phones` was told, UNKNOWN where no phone is known.
    """

    network: torch.nn.Module
    training: CodecTraining
    learns_phones: bool = False

    def expect_phones(self, count: int) -> None:
        """Before all else, where it learns phones: how many there are."""

    def begin(self, wavs: list[np.ndarray]) -> None:
        """Before the first step: take what it needs from some pieces, for example means."""

    def loss(self, wavs: torch.Tensor, rng: torch.Generator) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        """(B, samples) -> what is minimised, and its parts by name. All that is random is drawn from `rng`."""

    def measure(self, wavs: torch.Tensor) -> dict[str, float]:
        """(B, samples) that it has not learned from -> figures by name, the lower the better."""


def learns_phones(codec: Codec) -> bool:
    """Whether a codec is told which phones are spoken (`LearnedCodec`)."""
    return getattr(codec, "learns_phones", False)


UNKNOWN = -1
"""Stands for a phone where none is known: outside an utterance, or in one without an alignment."""

CONTRACT = 1
"""Version of the contract above; a plugin may declare `contract = 1`."""

codecs = Registry(
    "codecs",
    {name: f"ellav.plugins.codecs.{name}" for name in ("rvq_mel", "rvq_conv", "istft", "encodec", "transformers")},
    CONTRACT,
)


def load_codec(folder: Path | str) -> Codec:
    """The codec that `ellav fit-codec` wrote: `codec.yaml` (name, conf, ...) and its weights.

    Warns where it is a plugin from outside whose file has changed since.
    """
    described = _described(folder)
    codec = codecs.create(described["name"], described.get("conf"))
    codec.load(Path(folder))
    codecs.warn_if_changed(described["name"], described.get("plugin"), str(folder))
    return codec


def code_of_codec(folder: Path | str) -> dict:
    """Where the code of a folder's codec comes from now (`Registry.record`): what it decodes depends on that too."""
    return codecs.record(_described(folder)["name"])


def _described(folder: Path | str) -> dict:
    path = Path(folder) / "codec.yaml"
    described = read_yaml(path)
    if "name" not in described:
        raise UserError(f"{path}: names no codec; make it with `ellav fit-codec`")
    if not isinstance(described.get("conf") or {}, dict):
        raise UserError(f"{path}: conf should be `name: value` lines; make it with `ellav fit-codec`")
    return described
