"""`Synthesizer`: a packed model that speaks a text in the voice of a prompt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ellav.config import read_yaml
from ellav.data.audio import read_wav, resample
from ellav.data.carry import located
from ellav.data.dataset import Tokens
from ellav.data.durations import to_frames
from ellav.errors import UserError
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.requests import cross_sentence
from ellav.models.trained import load_trained
from ellav.plugins.aligners import AlignmentError, aligners
from ellav.plugins.codecs import load_codec
from ellav.plugins.decoders import decoders
from ellav.plugins.registry import Registry
from ellav.plugins.text import text as text_front_ends
from ellav.types import Utterance


@dataclass(frozen=True)
class Synthesis:
    """wav: (samples,) float32 at sample_rate Hz. phones and words with durations (N,) in
    frames of frame_rate Hz, None where the ordering keeps none. codes: (T, Q)."""

    wav: np.ndarray
    sample_rate: int
    phones: list[str]
    word_of_phone: np.ndarray
    words: list[str]
    durations: np.ndarray | None
    frame_rate: float
    codes: np.ndarray
    facts: dict


class Synthesizer:
    """Speaks with the model that `ellav pack` wrote into a folder.

    >>> voice = Synthesizer("exp/interleaved/packed")
    >>> made = voice("Good morning.", prompt="me.wav", prompt_text="This is how I sound.")
    >>> soundfile.write("out.wav", made.wav, made.sample_rate)

    decoder, decoder_conf: another decoding strategy than the packed one. device: "cpu",
    "cuda", or None to take a GPU where there is one.
    """

    def __init__(
        self,
        folder: Path | str,
        decoder: str | None = None,
        decoder_conf: dict | None = None,
        device: str | None = None,
    ):
        folder = Path(folder)
        if not (folder / "model.yaml").exists():
            raise UserError(f"{folder}: not a packed model (no model.yaml); make one with `ellav pack`")
        model = read_yaml(folder / "model.yaml")
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.tokens = Tokens.read(folder / "list")
        self.codec = load_codec(folder / "codec")
        self.text = _packed(text_front_ends, model["text"], folder)
        self.aligner = _packed(aligners, model["aligner"], folder)
        ar = load_trained(folder / "ar", model["which"])
        nar = load_trained(folder / "nar", model["which"])
        choice = {"name": decoder, "conf": decoder_conf} if decoder else model["decoder"]
        made = decoders.create(choice["name"], choice["conf"])
        engine = Engine(ar.model.to(device), ar.ordering, made)
        self.pipeline = Pipeline(engine, nar.model.to(device), self.codec)

    def __call__(
        self,
        text: str,
        prompt: Path | str | np.ndarray,
        prompt_text: str,
        seed: int = 0,
        prompt_rate: int | None = None,
    ) -> Synthesis:
        """Speak `text` in the voice of `prompt`, which says `prompt_text`.

        prompt: an audio file, or (samples,) float32 at `prompt_rate` Hz. Raises UserError
        where the text cannot be spoken or the prompt does not fit its transcript.
        """
        spoken = self.text(text)
        heard = self.prompt(prompt, prompt_text, prompt_rate)
        phones = self.tokens.encode(spoken.phones, "text")
        words = np.array(spoken.word_of_phone, np.int32)
        request = cross_sentence(text, heard, phones, words, self.tokens)
        speech = next(self.pipeline.speak([request], seed))
        return Synthesis(
            wav=speech.wav,
            sample_rate=self.codec.sample_rate,
            phones=spoken.phones,
            word_of_phone=words,
            words=spoken.words,
            durations=speech.durations,
            frame_rate=self.codec.frame_rate,
            codes=speech.codes,
            facts=speech.facts,
        )

    def prompt(self, prompt: Path | str | np.ndarray, text: str, rate: int | None = None) -> Utterance:
        """The prompt as codes, phones and durations; it is aligned in process."""
        if isinstance(prompt, np.ndarray):
            if rate is None:
                raise ValueError("a prompt given as samples needs prompt_rate")
            where = "prompt"
            wav, for_aligner = (resample(prompt, rate, r) for r in (self.codec.sample_rate, self.aligner.sample_rate))
        else:
            where = str(prompt)
            wav, for_aligner = (read_wav(prompt, r) for r in (self.codec.sample_rate, self.aligner.sample_rate))
        said = self.text(text)
        try:
            alignment = self.aligner.align(for_aligner, said)
            codes = self.codec.encode([wav])[0]
            silent = np.array([word < 0 for word in said.word_of_phone])
            durations = to_frames(alignment.ends, self.codec.frame_rate, len(codes), silent)
        except (AlignmentError, ValueError) as error:
            raise UserError(f"{where}: does not fit its transcript {text!r}: {error}") from None
        return Utterance(
            id="prompt",
            speaker="prompt",
            language="und",
            phones=self.tokens.encode(said.phones, "prompt text"),
            word_of_phone=np.array(said.word_of_phone, np.int32),
            durations=durations,
            codes=codes,
        )


def _packed(registry: Registry, choice: dict, folder: Path):
    """The plugin that `ellav pack` named, with the files it carried along."""
    cls = registry.get(choice["name"])
    return registry.create(choice["name"], located(cls, choice["conf"], folder))
