"""`Synthesizer`: a packed model that speaks a text in the voice of a prompt."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from ellav.data.dataset import Tokens
from ellav.data.option_files import resolve_files
from ellav.errors import UserError
from ellav.infer.bundle import read_bundle
from ellav.infer.chunks import LEVELS, Chunk, sentences, split
from ellav.infer.following import check_follow, speak_following
from ellav.infer.growing import growing_parts
from ellav.infer.known_phones import with_known_phones
from ellav.infer.loading import load_voice
from ellav.infer.prompts import Heard, PromptReader, PromptWarning, recognised
from ellav.infer.readings import check_best_of, speak_best, told_of_silence
from ellav.infer.recordings import Sound, read_given
from ellav.infer.requests import cross_sentence
from ellav.infer.stream import Part, Windows, speak
from ellav.infer.synthesis import Synthesis, joined
from ellav.infer.transcripts import transcript_beside
from ellav.models.device import choose_device
from ellav.models.model_config import prompt_bounds
from ellav.plugins.aligners import aligners
from ellav.plugins.codecs import Codec
from ellav.plugins.decoders import decoders
from ellav.plugins.registry import Registry
from ellav.plugins.text import Phones
from ellav.plugins.text import text as text_front_ends
from ellav.plugins.transcribers import transcribers
from ellav.types import DecodingRequest, Utterance

AUTO = "auto"
"""The prompt_text for which the transcriber is asked."""


class Synthesizer:
    """Speaks with the model that `ellav pack` wrote into a folder, or with the one that comes with ellav.

    >>> voice = Synthesizer()
    >>> made = voice("Good morning.")
    >>> soundfile.write("out.wav", made.wav, made.sample_rate)
    >>> made = voice("Good morning.", prompt="me.wav", prompt_text="This is how I sound.")

    decoder, decoder_conf: another decoding strategy than the packed one. device: "cpu",
    "cuda", or None to take a GPU where there is one. transcriber, transcriber_conf: what
    recognises a prompt with the text "auto". quantize: "int8" rounds both models'
    weights, which is faster on a CPU for large models. nar_temperature: see
    `ellav.infer.pipeline.Pipeline`, another one than the packed one. dtype: of both models' weights, see
    `ellav.models.fastest.decoding_dtype`. `prompts` holds the built-in prompts by
    name, the default first.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        decoder: str | None = None,
        decoder_conf: dict | None = None,
        device: str | None = None,
        transcriber: str = "pocketsphinx",
        transcriber_conf: dict | None = None,
        quantize: str = "none",
        nar_temperature: float | None = None,
        dtype: str = "auto",
    ):
        bundle = read_bundle(folder)
        folder, model = bundle.folder, bundle.model
        device = choose_device(device)
        self.bundle = bundle
        self.prompts = bundle.prompts
        self.tokens = Tokens.read(folder / "list")
        self.text = _packed(text_front_ends, model["text"], folder)
        choice = {"name": decoder, "conf": decoder_conf} if decoder else model["decoder"]
        made = decoders.create(choice["name"], choice["conf"])
        parts = (folder / name for name in ("ar", "nar", "codec"))
        if nar_temperature is None:
            nar_temperature = model["nar_temperature"]
        self.pipeline, ar, nar = load_voice(
            *parts, self.tokens, made, model["which"], device, quantize, nar_temperature=nar_temperature, dtype=dtype
        )
        self.codec = self.pipeline.codec
        check_codec(self.codec, self.tokens, folder)
        shortest, _ = prompt_bounds(nar.config)
        self.longest = longest_seen(ar.config)
        aligner = _packed(aligners, model["aligner"], folder)
        self.prompt = PromptReader(self.text, aligner, self.codec, self.tokens, shortest, self.longest // 2)
        self._transcriber = (transcriber, transcriber_conf or {})
        self._prepared: dict[str, Utterance] = {}

    def __call__(
        self,
        text: str,
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        seed: int = 0,
        prompt_rate: int | None = None,
        best_of: int | None = None,
        follow: float | None = None,
    ) -> Synthesis:
        """Speak `text` in the voice of `prompt`, which says `prompt_text`.

        prompt, prompt_text, prompt_rate: as for `hear`, or what that returned. A text longer than the model
        has seen is spoken in parts, each after the same prompt, joined by pauses. A part that comes out silent is
        spoken again with the next seed, which `remarks` of the result says. best_of: so many readings are made of
        each part, with the seeds from `seed` on, and the one kept of which the models are surest, which `confidence` of
        the result tells; None makes one and asks nothing. follow: so many seconds at the end of a part stand behind
        the prompt of the next one, which so goes on at the same pace and pitch; parts are then made one after another.
        Raises
        UserError where the text cannot be spoken or the prompt does not fit its transcript;
        warns (`ellav.infer.prompts.PromptWarning`) where speech is possible but doubtful.
        """
        check_best_of(best_of)
        # With a prompt of the longest kind a quarter of what the model has seen is left for a part.
        most = self.longest / 4 / self.codec.frame_rate
        check_follow(follow, most, self.pipeline.engine.ordering)
        self._check_text(text)
        heard = self.hear(prompt, prompt_text, prompt_rate)
        behind = round((follow or 0) * self.codec.frame_rate)
        chunks, spoken = self._cut(text, len(heard.prompt.codes) + behind)
        numbered = zip(chunks, spoken, strict=True)
        requests = [partial(self._request, n, chunk.text, said) for n, (chunk, said) in enumerate(numbered)]
        if follow is None:
            made = speak_best(self.pipeline, [request(heard.prompt) for request in requests], seed, best_of)
        else:
            speak_one = partial(speak_best, self.pipeline, seed=seed, best_of=best_of)
            made = speak_following(heard.prompt, requests, lambda request: speak_one([request])[0], behind)
        remarks = [*heard.remarks, *told_of_silence([chunk.text for chunk in chunks], made, seed, best_of)]
        whole = joined(chunks, spoken, [speech for speech, _ in made], self.codec, heard.name)
        return replace(whole, seeds=[used for _, used in made], remarks=remarks)

    def hear(
        self, prompt: Sound | Heard | None = None, prompt_text: str | None = None, prompt_rate: int | None = None
    ) -> Heard:
        """Read a prompt once, to speak more than one text after it.

        prompt: an audio file by its name or open for reading, or samples at `prompt_rate` Hz, see
        `ellav.infer.recordings.read_given`; without prompt_text
        the name of a built-in prompt, or of a file with its transcript beside it (`me.txt` for `me.wav`); None takes
        the default one. prompt_text "auto" is what `transcribe` hears. Raises and warns as a call does.
        """
        if isinstance(prompt, Heard):
            if prompt_text is not None:
                raise UserError("the prompt has been read already, with its words; leave out prompt_text")
            return prompt
        named = isinstance(prompt, (str, os.PathLike))
        is_file, known = named and Path(prompt).exists(), named and str(prompt) in self.prompts
        if prompt is None or (known and (prompt_text is None or not is_file)):
            if prompt_text is not None and known:
                raise UserError(f"{prompt}: a built-in prompt knows its words; leave out prompt_text")
            if prompt_text is not None:
                raise UserError("a transcript without its recording: give the prompt too, or neither")
            return self._built_in(None if prompt is None else str(prompt))
        if prompt_text is None and is_file:
            prompt_text = transcript_beside(prompt)
        if prompt_text is None:
            if named and not is_file:
                self.bundle.prompt(str(prompt))  # which says that there is no such prompt
            where = prompt if named else "prompt"
            raise UserError(f"{where}: its transcript is needed too: the words that are said in it, or {AUTO!r}")
        if not isinstance(prompt_text, str) or not prompt_text.strip():
            raise UserError("prompt_text is empty; give the words that the recording says")
        given, remarks = read_given(prompt, prompt_rate), []  # once: what comes through a pipe does so once
        if prompt_text == AUTO:
            prompt_text = self.transcribe(given)
            remarks.append(f'heard in {given.name}: "{prompt_text}"; mend it with prompt_text')
        return Heard(self.prompt(given, prompt_text), None, remarks)

    def stream(
        self,
        text: str | Iterable[str],
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        seed: int = 0,
        prompt_rate: int | None = None,
        windows: Windows | None = None,
    ) -> Iterator[np.ndarray]:
        """Speak `text` while it is being made: yields pieces, (samples,) float32 at `codec.sample_rate` each.

        >>> for piece in voice.stream("Good morning."):
        ...     play(piece)

        text may also be pieces of text as they come, words with the spaces between them for example. Where `grows`, a
        word is spoken when those behind it show how it is read; with any other model a sentence is spoken when what
        comes after it shows that it has ended, the rest when no more pieces come. windows: their sizes. The other
        arguments are those of a call, which says the same in the same voice; but what is heard cannot be taken back,
        so a part that comes out silent stays so.

        The prompt, and a text that is given whole, are checked before this returns; what there is to remark on is a
        PromptWarning. Closing the generator ends the decoding.
        """
        if isinstance(text, str):
            self._check_text(text)
        elif not isinstance(text, Iterable):
            raise UserError("the text must be a string, or pieces of one")
        heard = self.hear(prompt, prompt_text, prompt_rate)
        for remark in heard.remarks:
            warnings.warn(remark, PromptWarning, stacklevel=2)
        if isinstance(text, str):
            parts = self._parts([text], heard.prompt)
        elif self.grows:
            parts = self._growing(text, heard.prompt)
        else:
            parts = self._parts(self._sentences(text), heard.prompt)
        return speak(self.pipeline, parts, seed, windows or Windows())

    @property
    def grows(self) -> bool:
        """Whether text that comes in pieces is spoken word by word, not sentence by sentence: the ordering decodes
        texts that go on, and the front end says how many words ahead decide how one is read."""
        return getattr(self.pipeline.engine.ordering, "grows", False) and hasattr(self.text, "words_ahead")

    def transcribe(self, prompt: Sound, prompt_rate: int | None = None) -> str:
        """The words that the transcriber hears in a recording. Raises UserError where there are none."""
        name, conf = self._transcriber
        return recognised(transcribers.create(name, conf), prompt, prompt_rate)

    def _built_in(self, name: str | None) -> Heard:
        """A built-in prompt, the default one for None; each is prepared once."""
        chosen = self.bundle.prompt(name)
        if chosen.name not in self._prepared:
            self._prepared[chosen.name] = self.prompt(chosen.wav, chosen.text)
        return Heard(self._prepared[chosen.name], chosen.name, [])

    def _check_text(self, text: str) -> None:
        """So that what cannot be spoken is refused before anything is computed."""
        if not isinstance(text, str) or not text.strip():
            raise UserError("the text is empty; give at least one word, as a string")
        self._phones(text)

    def _cut(self, text: str, frames: int) -> tuple[list[Chunk], list[Phones]]:
        """The parts in which a text is spoken behind so many frames, and their phones."""
        chunks = split(text.strip(), self._size, self._most_phones(frames))
        return chunks, [self._phones(chunk.text) for chunk in chunks]

    def _request(self, number: int, text: str, said: Phones, prompt: Utterance) -> DecodingRequest:
        """How a part is decoded. number: tells equal parts apart, so that a sentence said twice is not said alike.

        Random numbers depend on the name, and so, where text is spoken while it grows, it has the first word alone.
        """
        phones, words = self.tokens.encode(said.phones, f"text {text!r}"), np.array(said.word_of_phone, np.int32)
        return cross_sentence(f"{number} {said.words[0] if self.grows else text}", prompt, phones, words, self.tokens)

    def _parts(self, texts: Iterable[str], heard: Utterance) -> Iterator[Part]:
        """The parts of texts that come one after another, with the silence between them."""
        number = count()
        for text in texts:
            chunks, spoken = self._cut(text, len(heard.codes))
            pauses = [*(chunk.pause for chunk in chunks[:-1]), LEVELS[0][1]]
            for chunk, said, pause in zip(chunks, spoken, pauses, strict=True):
                yield Part(self._request(next(number), chunk.text, said, heard), pause)

    def _growing(self, pieces: Iterable[str], heard: Utterance) -> Iterator[Part]:
        """The parts of a text that comes in pieces, each as it grows; raises UserError where there is nothing."""
        part = None
        for part in growing_parts(pieces, self._phones, self.text.words_ahead, self._most_phones(len(heard.codes))):
            request = self._request(part.number, " ".join(part.said.words), part.said, heard)
            yield Part(replace(request, more=part.more), part.pause)
        if part is None:
            raise UserError("the text is empty; give at least one word")

    def _sentences(self, pieces: Iterable[str]) -> Iterator[str]:
        """What can be spoken of a text that comes in pieces; raises UserError where there is nothing."""
        said = False
        for sentence in sentences(pieces):
            if self._size(sentence) or any(map(str.isalnum, sentence)):  # whose words cannot be spoken is refused later
                said = True
                yield sentence
        if not said:
            raise UserError("the text is empty; give at least one word")

    def _phones(self, text: str) -> Phones:
        """The phones of a text, all of which the model has seen."""
        return with_known_phones(self.text(text), self.text, self.tokens, f"text {text!r}")

    def _size(self, text: str) -> int:
        """Phones of a part of the text, 0 where nothing in it can be spoken."""
        try:
            return len(self.text(text).phones)
        except UserError:
            return 0

    def _most_phones(self, behind: int) -> int:
        """Phones of a part: what fits behind so many frames, and no more than the longest training utterance."""
        frames = min(self.longest - behind, self.tokens.stats["max_frames"])
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
    registry.warn_if_changed(choice["name"], choice.get("record"), str(folder))
    return registry.create(choice["name"], resolve_files(cls, choice["conf"], folder))
