"""`Synthesizer`: a packed model that speaks a text in the voice of a prompt."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ellav.data.dataset import Tokens
from ellav.data.option_files import resolve_files
from ellav.errors import UserError
from ellav.infer.bundle import read_bundle
from ellav.infer.chunks import split
from ellav.infer.engine import Engine
from ellav.infer.pipeline import Pipeline
from ellav.infer.prompts import PromptReader
from ellav.infer.requests import cross_sentence
from ellav.infer.synthesis import Synthesis, joined
from ellav.models.trained import load_pair
from ellav.plugins.aligners import aligners
from ellav.plugins.codecs import Codec, load_codec
from ellav.plugins.decoders import decoders
from ellav.plugins.registry import Registry
from ellav.plugins.text import text as text_front_ends
from ellav.types import Utterance


class Synthesizer:
    """Speaks with the model that `ellav pack` wrote into a folder, or with the one that comes with ellav.

    >>> voice = Synthesizer()
    >>> made = voice("Good morning.")
    >>> soundfile.write("out.wav", made.wav, made.sample_rate)
    >>> made = voice("Good morning.", prompt="me.wav", prompt_text="This is how I sound.")

    decoder, decoder_conf: another decoding strategy than the packed one. device: "cpu",
    "cuda", or None to take a GPU where there is one. `prompts` holds the built-in prompts by
    name, the default first.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        decoder: str | None = None,
        decoder_conf: dict | None = None,
        device: str | None = None,
    ):
        bundle = read_bundle(folder)
        folder, model = bundle.folder, bundle.model
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        self.bundle = bundle
        self.prompts = bundle.prompts
        self.tokens = Tokens.read(folder / "list")
        self.codec = load_codec(folder / "codec")
        self.text = _packed(text_front_ends, model["text"], folder)
        ar, nar = load_pair(folder / "ar", folder / "nar", model["which"])
        for name, trained in (("ar", ar), ("nar", nar)):
            trained.check_fits(self.tokens, folder / name, codec=folder / "codec")
        check_codec(self.codec, self.tokens, folder)
        choice = {"name": decoder, "conf": decoder_conf} if decoder else model["decoder"]
        made = decoders.create(choice["name"], choice["conf"])
        engine = Engine(ar.model.to(device), ar.ordering, made)
        self.pipeline = Pipeline(engine, nar.model.to(device), self.codec)
        self.longest = longest_seen(ar.config)
        aligner = _packed(aligners, model["aligner"], folder)
        self.prompt = PromptReader(self.text, aligner, self.codec, self.tokens, self.longest // 2)
        self._prepared: dict[str, Utterance] = {}

    def __call__(
        self,
        text: str,
        prompt: Path | str | np.ndarray | None = None,
        prompt_text: str | None = None,
        seed: int = 0,
        prompt_rate: int | None = None,
    ) -> Synthesis:
        """Speak `text` in the voice of `prompt`, which says `prompt_text`.

        prompt: an audio file, or (samples,) float32 at `prompt_rate` Hz; without prompt_text
        the name of a built-in prompt; None takes the default one. A text longer than the model
        has seen is spoken in parts, each after the same prompt, joined by pauses. Raises
        UserError where the text cannot be spoken or the prompt does not fit its transcript;
        warns (`ellav.infer.prompts.PromptWarning`) where speech is possible but doubtful.
        """
        if not text.strip():
            raise UserError("the text is empty; give at least one word")
        self.text(text)  # so that what cannot be spoken is refused before anything is computed
        heard, name = self._heard(prompt, prompt_text, prompt_rate)
        chunks = split(text.strip(), self._size, self._most_phones(heard))
        spoken = [self.text(chunk.text) for chunk in chunks]
        requests = [
            # The number tells equal parts apart, so that a sentence said twice is not said alike.
            cross_sentence(
                f"{number} {chunk.text}",
                heard,
                self.tokens.encode(said.phones, f"text {chunk.text!r}"),
                np.array(said.word_of_phone, np.int32),
                self.tokens,
            )
            for number, (chunk, said) in enumerate(zip(chunks, spoken, strict=True))
        ]
        return joined(chunks, spoken, list(self.pipeline.speak(requests, seed)), self.codec, name)

    def _heard(self, prompt, text: str | None, rate: int | None) -> tuple[Utterance, str | None]:
        """The prompt, and its name where it is a built-in one (those are prepared once)."""
        if text is not None:
            if prompt is None:
                raise UserError("a transcript without its recording: give the prompt too, or neither")
            return self.prompt(prompt, text, rate), None
        built_in = prompt is None or str(prompt) in self.prompts
        if isinstance(prompt, np.ndarray) or (not built_in and Path(prompt).exists()):
            where = "prompt" if isinstance(prompt, np.ndarray) else prompt
            raise UserError(f"{where}: its transcript is needed too: the words that are said in it")
        chosen = self.bundle.prompt(None if prompt is None else str(prompt))
        if chosen.name not in self._prepared:
            self._prepared[chosen.name] = self.prompt(chosen.wav, chosen.text)
        return self._prepared[chosen.name], chosen.name

    def _size(self, text: str) -> int:
        """Phones of a part of the text, 0 where nothing in it can be spoken."""
        try:
            return len(self.text(text).phones)
        except UserError:
            return 0

    def _most_phones(self, prompt: Utterance) -> int:
        """Phones of a part: what fits behind the prompt, and no more than the longest training utterance."""
        frames = min(self.longest - len(prompt.codes), self.tokens.stats["max_frames"])
        return max(1, int(frames / self.tokens.stats["frames_per_phone"]))


def check_codec(codec: Codec, tokens: Tokens, folder: Path) -> None:
    """Raises UserError naming the folder where the codec makes other codes than the token list's statistics say."""
    for name, stated in (("frame_rate", "frame_rate"), ("codebooks", "codebooks"), ("size", "codebook_size")):
        if getattr(codec, name) != tokens.stats[stated]:
            raise UserError(
                f"{folder / 'codec'}: its {name} is {getattr(codec, name)}, that of list/stats.yaml"
                f" {tokens.stats[stated]}; pack the model again"
            )


def longest_seen(config: dict) -> int:
    """Frames of the longest sequence that a model was trained with; config: of config.yaml."""
    return int(config.get("train", {}).get("max_frames") or 2 * config["stats"]["max_frames"])


def _packed(registry: Registry, choice: dict, folder: Path):
    """The plugin that `ellav pack` named, with the files it carried along."""
    cls = registry.get(choice["name"])
    if registry is aligners and not hasattr(cls, "align"):
        raise UserError(
            f"{folder / 'model.yaml'}: aligner {choice['name']} runs a program or reads files and aligns no"
            " prompt; a packed model has parts that run in process only; pack it again with --prompt_aligner"
        )
    registry.warn_if_changed(choice.get("record"), str(folder))
    return registry.create(choice["name"], resolve_files(cls, choice["conf"], folder))
