"""Models that hear who speaks: from speech at 16 kHz to a vector of length 1."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np

from ellav.errors import UserError, one_line
from ellav.plugins.torchaudio_import import import_torchaudio

RATE = 16000
RESEMBLYZER = "resemblyzer"
_SHORTEST = RATE // 2
"""Samples that the frames of WavLM and the statistics over them need; shorter speech is repeated."""


class Embedder(Protocol):
    """size: of its vectors."""

    size: int

    def __call__(self, wav: np.ndarray) -> np.ndarray:
        """(samples,) float32 at RATE, not all silent -> (size,) float32 of length 1."""


def embedder(model: str) -> Embedder:
    """The model that `similarity`'s option means. Raises UserError where it cannot be had."""
    return Resemblyzer() if model == RESEMBLYZER else WavLM(model)


class Resemblyzer:
    """Resemblyzer's GE2E encoder, whose weights come with its package; silences are left out."""

    size = 256

    def __init__(self):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # it imports pkg_resources, which warns that it will go
                from resemblyzer import VoiceEncoder, audio
        except ModuleNotFoundError as error:
            raise UserError(
                f"scorer similarity: the package {error.name} is missing; install the extra: pip install 'ellav[score]'"
            ) from None
        self._encoder, self._audio = VoiceEncoder("cpu", verbose=False), audio

    def __call__(self, wav: np.ndarray) -> np.ndarray:
        audio = self._audio
        wav = audio.normalize_volume(wav, audio.audio_norm_target_dBFS, increase_only=True)
        voiced = audio.trim_long_silences(np.clip(wav, -1, 1))
        # Where nothing passes for a voice, the noise itself is what there is to compare.
        return self._encoder.embed_utterance(voiced if len(voiced) > RATE // 10 else wav)


class WavLM:
    """The x-vector of a WavLM with a head for speaker verification (transformers' WavLMForXVector).

    model: a folder as `save_pretrained` leaves it, or a name on the Hugging Face hub, such as
    `microsoft/wavlm-base-plus-sv`, by which published figures of ELLA-V and VALL-E R go. Pickled
    weights are read as weights only.
    """

    def __init__(self, model: str):
        place = str(Path(model).expanduser())
        if not Path(place).is_dir() and (place != model or model.startswith(("/", ".")) or "/" not in model):
            raise UserError(
                f"scorer similarity: no folder {model}; model is {RESEMBLYZER}, the folder of a WavLM, "
                "or its name on the Hugging Face hub: microsoft/wavlm-base-plus-sv"
            )
        # Where torchaudio is, transformers imports it, and fails where its compiled part does not load.
        with contextlib.suppress(ModuleNotFoundError):
            import_torchaudio()
        try:
            from transformers import AutoFeatureExtractor, WavLMForXVector
        except ModuleNotFoundError as error:
            raise UserError(
                f"scorer similarity, model {model}: the package {error.name} is missing; "
                "install the extra: pip install 'ellav[wavlm]'"
            ) from None
        try:
            with _quiet():
                self._features = AutoFeatureExtractor.from_pretrained(place)
                self._model, loaded = WavLMForXVector.from_pretrained(place, output_loading_info=True)
        except Exception as error:  # the hub's client and transformers raise many kinds
            raise UserError(
                f"scorer similarity: model {model} does not load, from a folder or from the Hugging Face hub: "
                f"{one_line(error, 200)}"
            ) from None
        # Of a model without this head transformers would make up one, and every voice would be like every other.
        missing = [name for name in loaded["missing_keys"] if not name.startswith(("objective.", "wavlm.masked_spec"))]
        if missing:
            raise UserError(
                f"scorer similarity: model {model} is no WavLM for telling speakers: it lacks {sorted(missing)[0]} "
                f"({len(missing)} such); microsoft/wavlm-base-plus-sv is one"
            )
        self._model.eval()
        self.size = self._model.config.xvector_output_dim

    def __call__(self, wav: np.ndarray) -> np.ndarray:
        import torch

        if len(wav) < _SHORTEST:
            wav = np.resize(wav, _SHORTEST)
        heard = self._features(np.asarray(wav, np.float32), sampling_rate=RATE, return_tensors="pt")
        with torch.inference_mode():
            voice = self._model(heard.input_values).embeddings[0].numpy()
        return voice / max(float(np.linalg.norm(voice)), 1e-9)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """transformers without bars and tables: what goes wrong is said in one line."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity(logging.CRITICAL)
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
