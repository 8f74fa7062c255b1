"""`Synthesizer`: a packed model that speaks a text in the voice of a prompt."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np

from ellav.data.dataset import Tokens
from ellav.errors import UserError
from ellav.infer.anew import READINGS, check_edit, part_of, without_silence, word_anew
from ellav.infer.asked import Request, check_readings, check_seed
from ellav.infer.bundle import read_bundle
from ellav.infer.chunks import LEVELS
from ellav.infer.editing import speak_edited
from ellav.infer.following import check_follow, check_follows, speak_following
from ellav.infer.growing import growing_parts
from ellav.infer.languages import Languages
from ellav.infer.loading import check_codec, load_voice, longest_seen, packed_plugin
from ellav.infer.pacing import check_lengths, check_timed, timed
from ellav.infer.prompts import Heard, PromptReader, PromptWarning, recognised, spanned
from ellav.infer.provenance import DEFAULT, Marking, about, model_name
from ellav.infer.readings import aligned_by, speak_best, told_of_silence
from ellav.infer.recordings import Sound, read_given
from ellav.infer.requests import asked_of
from ellav.infer.ssml import told_apart
from ellav.infer.stream import Part, Windows, speak
from ellav.infer.synthesis import SpokenPart, Synthesis, joined
from ellav.infer.texts import TextReader
from ellav.infer.transcripts import check_place, transcript_beside
from ellav.models.device import choose_device
from ellav.models.model_config import prompt_bounds
from ellav.plugins.aligners import aligners
from ellav.plugins.decoders import decoders
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
    weights, which is faster on a CPU for large models. nar_temperature, match_voice: see
    `ellav.infer.pipeline.Pipeline`, others than the packed ones. dtype: of both models' weights, see
    `ellav.models.fastest.decoding_dtype`. watermark, watermark_conf: what all speech is marked with, None for
    nothing; `marking` does it. `prompts` holds the built-in prompts by
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
        watermark: str | None = DEFAULT,
        watermark_conf: dict | None = None,
        match_voice: float | None = None,
    ):
        bundle = read_bundle(folder)
        folder, model = bundle.folder, bundle.model
        device = choose_device(device)
        self.bundle = bundle
        self.prompts = bundle.prompts
        self.tokens = Tokens.read(folder / "list")
        self.text = packed_plugin(text_front_ends, model["text"], folder)
        choice = {"name": decoder, "conf": decoder_conf} if decoder else model["decoder"]
        made = decoders.create(choice["name"], choice["conf"])
        parts = (folder / name for name in ("ar", "nar", "codec"))
        if nar_temperature is None:
            nar_temperature = model["nar_temperature"]
        if match_voice is None:
            match_voice = model["match_voice"]
        self.pipeline, ar, nar = load_voice(
            *parts,
            self.tokens,
            made,
            model["which"],
            device,
            quantize,
            nar_temperature=nar_temperature,
            dtype=dtype,
            match_voice=match_voice,
        )
        self.codec = self.pipeline.codec
        check_codec(self.codec, self.tokens, folder)
        self.marking = Marking(watermark, watermark_conf, self.codec.sample_rate)
        self._model = model_name(bundle)
        shortest, _ = prompt_bounds(nar.config)
        self.longest = longest_seen(ar.config)
        aligner = packed_plugin(aligners, model["aligner"], folder)
        ordering = self.pipeline.engine.ordering
        self.languages = Languages(self.text, getattr(ordering, "languages", ()))
        self.prompt = PromptReader(self.languages, aligner, self.codec, self.tokens, shortest, self.longest // 2)
        self.judge = aligned_by(aligner, self.tokens, self.codec.sample_rate)
        self.reader = TextReader(self.languages, self.tokens, self.longest, ordering.needs_durations)
        self._transcriber = (transcriber, transcriber_conf or {})
        self._prepared: dict[str, Utterance] = {}

    def __call__(
        self,
        text: str | Request | Sequence[Request],
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        seed: int = 0,
        prompt_rate: int | None = None,
        best_of: int | None = None,
        follow: float | None = None,
        rate: float = 1.0,
        timing: os.PathLike | str | None = None,
        language: str = "",
        prompt_language: str = "",
    ) -> Synthesis:
        """Speak `text` in the voice of `prompt`, which says `prompt_text`.

        text: plain, or SSML (`ellav.infer.ssml`), or what `requests` made of one. prompt, prompt_text, prompt_rate: as
        for `hear`, or what that returned. A text longer than the model has seen is spoken in parts, each after the same
        prompt, joined by pauses. A part that comes out silent is spoken again with the next seed, which `remarks` of
        the result says. best_of: so many readings are made of each part, with the seeds from `seed` on, and the best
        one kept (`ellav.infer.readings.ranked`), of which `alignment_score` and `confidence` of the result tell how
        well the aligner finds its phones and how sure the models are. None makes as many as the model was packed to
        make; where it was not, one, and nothing is asked. follow: so many seconds at the end of a part stand behind the
        prompt of the next one, which so goes on at the same pace and pitch; parts are then made one after another.
        rate, timing, language: as for `requests`. prompt_language: of a recording, that of the text where it is left
        out; a built-in prompt has its own.

        Raises UserError where the text cannot be spoken or the prompt does not fit its transcript;
        warns (`ellav.infer.prompts.PromptWarning`) where speech is possible but doubtful.
        """
        seed = check_seed(seed)
        editing = best_of or READINGS
        if best_of is None:
            best_of = self.bundle.model["best_of"]
        else:
            check_readings(best_of, "best_of")
        # With a prompt of the longest kind a quarter of what the model has seen is left for a part.
        most = self.longest / 4 / self.codec.frame_rate
        check_follow(follow, most, self.pipeline.engine.ordering)
        check_lengths(rate, timing, self.pipeline.engine.ordering)
        if isinstance(text, str):
            self.reader.check(text, language)
        heard = self.hear(prompt, prompt_text, prompt_rate, prompt_language or language)
        behind = round((follow or 0) * self.codec.frame_rate)
        asked = self.reader.asked(text, len(heard.prompt.codes) + behind, rate, timing, language)
        check_timed(asked, self.pipeline.engine.ordering)
        if follow is None:
            parts = self._spoken(asked, heard.prompt, seed, best_of, editing)
        else:
            check_follows(asked)
            makers = [partial(self._decoding, n, one, seed=seed) for n, one in enumerate(asked)]
            speak_one = partial(speak_best, self.pipeline, seed=seed, best_of=best_of, judge=self.judge)
            made = speak_following(heard.prompt, makers, lambda request: speak_one([request])[0], behind)
            parts = [SpokenPart(one, *said, heard.prompt) for one, said in zip(asked, made, strict=True)]
        made = [(part.speech, part.seed) for part in parts]
        remarks = [*heard.remarks, *told_of_silence([one.text for one in asked], made, seed, best_of)]
        return self._marked(parts, heard.name, remarks)

    def requests(
        self,
        text: str,
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        prompt_rate: int | None = None,
        rate: float = 1.0,
        timing: os.PathLike | str | None = None,
        language: str = "",
        prompt_language: str = "",
    ) -> list[Request]:
        """The parts in which `text`, plain or SSML, is spoken after a prompt; a call takes them, changed or not.

        rate: how much faster than by itself the model speaks, 0.5 to 2. timing: a TextGrid whose tier `phones` has the
        phones of the text, which then last as long as there. language: of the text, for models of several; the first of
        `languages.known` where it is left out. The prompt as for a call. Raises UserError as a call does.
        """
        check_lengths(rate, timing, self.pipeline.engine.ordering)
        self.reader.check(text, language)
        heard = self.hear(prompt, prompt_text, prompt_rate, prompt_language or language)
        return self.reader.asked(text, len(heard.prompt.codes), rate, timing, language)

    def edit(
        self,
        speech: Synthesis,
        word: int,
        text: str | None = None,
        rate: float | None = None,
        again: bool = False,
        seed: int | None = None,
        readings: int = READINGS,
    ) -> Synthesis:
        """`speech` with one word made anew and all other codes kept; `speech.edit` is this.

        word: its number in `speech.words`. text: what is said instead; rate: how much faster than it was, or than the
        model would; again: the same, said otherwise. readings: of so many the one is taken that fits best between what
        is kept. seed: of the first of them; where nobody says, that of the part, for `again` the next one. The part
        that the word is in is made into sound anew as a whole. Raises UserError where nothing or no such word is to be
        changed, the text cannot be spoken, or the ordering keeps no times of phones.
        """
        check_edit(speech.words, word, text, rate, again, readings)
        parts = [*speech.parts]
        number, inside = part_of([len(part.request.said.words) for part in parts], word)
        part = parts[number]
        if part.speech.durations is None:
            raise UserError("edit: the ordering of this model keeps no times of phones")
        new = None if text is None else without_silence(self.reader.phones(text, part.request.language))
        asked = word_anew(part.request, part.speech, inside, new, rate)
        seed = part.seed + again if seed is None else check_seed(seed)
        made, used = speak_edited(self.pipeline, part.prompt, asked, self.tokens, seed, readings)
        parts[number] = SpokenPart(replace(asked, edit=None), made, used, part.prompt)
        return self._marked(parts, speech.prompt, speech.remarks)

    def hear(
        self,
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        prompt_rate: int | None = None,
        prompt_language: str = "",
    ) -> Heard:
        """Read a prompt once, to speak more than one text after it.

        prompt: an audio file by its name or open for reading, or samples at `prompt_rate` Hz, see
        `ellav.infer.recordings.read_given`; without prompt_text
        the name of a built-in prompt, or of a file with its transcript beside it (`me.txt` for `me.wav`); None takes
        the default one. prompt_text "auto" is what `transcribe` hears. prompt_language: in which a recording speaks,
        the first of `languages.known` where it is left out. Raises and warns as a call does.
        """
        if isinstance(prompt, Heard):
            if prompt_text is not None:
                raise UserError("the prompt has been read already, with its words; leave out prompt_text")
            return prompt
        named = isinstance(prompt, (str, os.PathLike))
        is_file, known = named and os.path.exists(prompt), named and str(prompt) in self.prompts
        if named and not known:
            check_place(prompt, "prompt")
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
            given = read_given(prompt, prompt_rate)  # says so where that is no recording at all
            raise UserError(f"{given.name}: its transcript is needed too: the words that are said in it, or {AUTO!r}")
        if not isinstance(prompt_text, str) or not prompt_text.strip():
            raise UserError("prompt_text is empty; give the words that the recording says")
        given, remarks = read_given(prompt, prompt_rate), []  # once: what comes through a pipe does so once
        if prompt_text == AUTO:
            prompt_text = self.transcribe(given)
            remarks.append(f'heard in {given.name}: "{prompt_text}"; where that is wrong, give its words')
        return Heard(self.prompt(given, prompt_text, language=prompt_language), None, remarks)

    def stream(
        self,
        text: str | Iterable[str],
        prompt: Sound | Heard | None = None,
        prompt_text: str | None = None,
        seed: int = 0,
        prompt_rate: int | None = None,
        windows: Windows | None = None,
        rate: float = 1.0,
        language: str = "",
        prompt_language: str = "",
    ) -> Iterator[np.ndarray]:
        """Speak `text` while it is being made: yields pieces, (samples,) float32 at `codec.sample_rate` each.

        >>> for piece in voice.stream("Good morning."):
        ...     play(piece)

        text may also be pieces of text as they come, words with the spaces between them for example. Where `grows`, a
        word is spoken when those behind it show how it is read; with any other model a sentence is spoken when what
        comes after it shows that it has ended, the rest when no more pieces come, and so is any at another rate than 1.
        SSML is spoken when all of it is there.
        windows: their sizes. The other
        arguments are those of a call, which says the same in the same voice; but what is heard cannot be taken back,
        so a part that comes out silent stays so.

        The prompt, and a text that is given whole, are checked before this returns; what there is to remark on is a
        PromptWarning. Closing the generator ends the decoding.
        """
        seed = check_seed(seed)
        if not isinstance(windows, (Windows, type(None))):
            raise UserError(f"windows={windows!r} should be ellav.infer.stream.Windows(...)")
        check_lengths(rate, None, self.pipeline.engine.ordering)
        if isinstance(text, str):
            self.reader.check(text, language)
        elif not isinstance(text, Iterable):
            raise UserError("the text must be a string, or pieces of one")
        self.marking.check_streams()
        language = self.languages.named(language)
        heard = self.hear(prompt, prompt_text, prompt_rate, prompt_language or language)
        for remark in heard.remarks:
            warnings.warn(remark, PromptWarning, stacklevel=2)
        if isinstance(text, str):
            parts = self._parts([text], heard.prompt, seed, rate, language)
        else:
            parts = self._coming(text, heard.prompt, seed, rate, language)
        return self.marking.pieces(speak(self.pipeline, parts, seed, windows or Windows()))

    @property
    def grows(self) -> bool:
        """Whether text that comes in pieces is spoken word by word, not sentence by sentence: the ordering decodes
        texts that go on, and the front end says how many words ahead decide how one is read."""
        return getattr(self.pipeline.engine.ordering, "grows", False) and hasattr(self.text, "words_ahead")

    @property
    def about(self) -> dict[str, str]:
        """What the header of a file of this voice's speech says, see `ellav.infer.provenance.about`."""
        return about(self._model, self.marking.name)

    def transcribe(self, prompt: Sound, prompt_rate: int | None = None) -> str:
        """The words that the transcriber hears in a recording. Raises UserError where there are none."""
        name, conf = self._transcriber
        return recognised(transcribers.create(name, conf), prompt, prompt_rate)

    def _built_in(self, name: str | None) -> Heard:
        """A built-in prompt, the default one for None; each is prepared once."""
        chosen = self.bundle.prompt(name)
        if chosen.name not in self._prepared:
            self._prepared[chosen.name] = self.prompt(chosen.wav, chosen.text, language=chosen.language)
        return Heard(self._prepared[chosen.name], chosen.name, [])

    def _spoken(
        self, asked: Sequence[Request], prompt: Utterance, seed: int, best_of: int | None, editing: int
    ) -> list[SpokenPart]:
        """Parts, each after the same prompt, all together; but those of which only some phones are made anew.

        editing: readings of these phones.
        """
        prompts = [spanned(prompt, one.prompt_span, self.codec.frame_rate, self.prompt.shortest) for one in asked]
        whole = [i for i, one in enumerate(asked) if one.edit is None]
        decodings = [asked_of(i, asked[i], prompts[i], self.tokens, self.grows) for i in whole]
        decodings = timed(self.pipeline, decodings, [asked[i] for i in whole], seed)
        made = dict(zip(whole, speak_best(self.pipeline, decodings, seed, best_of, self.judge), strict=True))
        for i, one in enumerate(asked):
            if one.edit is not None:
                made[i] = speak_edited(self.pipeline, prompts[i], one, self.tokens, seed, editing)
        return [SpokenPart(one, *made[i], prompts[i]) for i, one in enumerate(asked)]

    def _decoding(self, number: int, asked: Request, prompt: Utterance, seed: int) -> DecodingRequest:
        """How a part is decoded, its phones as long as is asked."""
        free = asked_of(number, asked, prompt, self.tokens, self.grows)
        return timed(self.pipeline, [free], [asked], seed)[0]

    def _marked(self, parts: list[SpokenPart], prompt: str | None, remarks: list[str]) -> Synthesis:
        """What is handed out of parts: joined and marked."""
        whole = joined(parts, self.codec, prompt)
        marked = self.marking.whole(whole.wav)
        return replace(whole, wav=marked, remarks=remarks, about=self.about, editor=self.edit)

    def _parts(self, texts: Iterable[str], heard: Utterance, seed: int, rate: float, language: str) -> Iterator[Part]:
        """The parts of texts that come one after another, with the silence between them."""
        number = count()
        for text in texts:
            asked = self.reader.requests(text, len(heard.codes), rate, language)
            check_timed(asked, self.pipeline.engine.ordering)
            pauses = [*(one.pause for one in asked[:-1]), max(asked[-1].pause, LEVELS[0][1])]
            for one, pause in zip(asked, pauses, strict=True):
                yield Part(self._decoding(next(number), one, heard, seed), pause)

    def _coming(self, pieces: Iterable[str], heard: Utterance, seed: int, rate: float, language: str) -> Iterator[Part]:
        """The parts of a text that comes in pieces."""
        ssml, pieces = told_apart(pieces)
        if self.grows and rate == 1 and not ssml:
            yield from self._growing(pieces, heard, language)
            return
        texts = ["".join(pieces)] if ssml else self.reader.sentences(pieces, language)
        yield from self._parts(texts, heard, seed, rate, language)

    def _growing(self, pieces: Iterable[str], heard: Utterance, language: str) -> Iterator[Part]:
        """The parts of a text that comes in pieces, each as it grows; raises UserError where there is nothing."""
        part, most = None, self.reader.most_phones(len(heard.codes))
        for part in growing_parts(pieces, partial(self.reader.phones, language=language), self.text.words_ahead, most):
            asked = Request(" ".join(part.said.words), part.said, language=language)
            request = asked_of(part.number, asked, heard, self.tokens, True)
            yield Part(replace(request, more=part.more), part.pause)
        if part is None:
            raise UserError("the text is empty; give at least one word")
