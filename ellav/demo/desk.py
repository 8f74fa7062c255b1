"""What the page does, without the page: what was filled in becomes speech, pictures, and lines to read."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from functools import partial
from html import escape
from typing import Any, NamedTuple

import numpy as np

from ellav.demo.asked import Asked, Limits, prompt_of, recording_at, said_how, text_of
from ellav.demo.kept import Kept
from ellav.demo.picture import picture, player
from ellav.demo.worker import Worker
from ellav.errors import UserError, one_line
from ellav.infer.asked import check_rate
from ellav.infer.prompts import PromptWarning
from ellav.infer.synthesis import Synthesis
from ellav.infer.synthesizer import Synthesizer

SPEECHES, STREAMS = 32, 32
"""How many are kept of each, of all who look at the page; older ones have to be asked for again."""

log = logging.getLogger("ellav.demo")


class Shown(NamedTuple):
    """What one model's part of the page shows next; None leaves as it is what stands there.

    key: of the speech, by which `Desk.edit` finds it, empty where there is none. line: HTML, a sentence on what was
    done or what was wrong. speech: HTML, to listen to and to look at. words: those that can be changed.
    """

    key: str | None
    line: str | None
    speech: str | None = None
    words: list[str] | None = None


class Stream(NamedTuple):
    """Begins a speech that is heard while it is made: each call makes (samples,) float32 at rate Hz, piece by piece.

    about: what its header says."""

    begin: Callable[[], Generator[np.ndarray, None, None]]
    rate: int
    about: dict[str, str] | None = None


class Desk:
    """Speaks with one model, or with several beside each other. names: what the page calls each of them.

    Its methods may be called from any thread: whatever uses a model is done in the worker's.
    """

    def __init__(self, voices: Sequence[Synthesizer], names: Sequence[str], limits: Limits | None = None):
        self.voices, self.names, self.limits = list(voices), list(names), limits or Limits()
        self.worker = Worker()
        self.speeches: Kept[Synthesis] = Kept(SPEECHES)
        self.streams: Kept[Stream] = Kept(STREAMS)

    def close(self) -> None:
        """End the worker."""
        self.worker.close()

    def can_edit(self, number: int) -> bool:
        """Whether the ordering of a model keeps the times that edits, and other rates, need."""
        return self.voices[number].pipeline.engine.ordering.needs_durations

    def transcribe(self, recording: str | None) -> tuple[str, str]:
        """What the transcriber hears in a recording, and a line that asks to mend it; nothing where there is none."""
        if recording is None:
            return "", ""
        try:
            given = recording_at(recording, self.limits)
            heard = self.worker.do(self.voices[0].transcribe, given)
        except Exception as error:
            return "", self.told(error)
        return heard, line("Recognised: mend what was heard wrong. The words must be those that are said.")

    def speak(self, asked: Asked) -> Iterator[list[Shown]]:
        """What each model shows, first while all are at work, then whenever one has spoken."""
        shown = [Shown("", line("Speaking ..."), "", []) for _ in self.voices]
        if len(self.voices) > 1:
            yield list(shown)
        for number in range(len(self.voices)):
            shown[number] = self.guarded(self._spoken, number, asked)
            yield list(shown)

    def stream(self, asked: Asked) -> Iterator[list[Shown]]:
        """Likewise, of players that speak when they are played."""
        shown = [Shown("", line("Listening to the prompt ..."), "", []) for _ in self.voices]
        for number in range(len(self.voices)):
            shown[number] = self.guarded(self._streamed, number, asked)
            yield list(shown)

    def edit(
        self,
        number: int,
        key: str,
        word: int | None,
        text: str | None = None,
        rate: float | None = None,
        again: bool = False,
    ) -> Shown:
        """A word of model `number`'s speech made anew: said again, otherwise, or at another rate."""
        return self.guarded(self._edited, number, key, word, text, rate, again)

    def guarded(self, work: Callable[..., Shown], number: int, *arguments: Any) -> Shown:
        """What `work` shows; a line alone where it fails."""
        try:
            return work(number, *arguments)
        except Exception as error:
            return Shown(None, self.told(error))

    def told(self, error: Exception) -> str:
        """A line on what was wrong, never where the models lie."""
        if not isinstance(error, UserError):
            log.error("failed", exc_info=error)
            return line("Something went wrong; the terminal says what.", wrong=True)
        said = str(error)
        for voice in self.voices:
            folder = str(voice.bundle.folder)
            said = said.replace(f"{folder}/", "").replace(folder, "the model")
        return line(said, wrong=True)

    def _spoken(self, number: int, asked: Asked) -> Shown:
        voice = self.voices[number]
        text, how = text_of(asked, self.limits), said_how(asked)
        began = time.monotonic()
        speech, remarks = self.worker.do(remarked, lambda: voice(text, prompt_of(voice, asked, self.limits), **how))
        return self._shown(number, speech, time.monotonic() - began, [*speech.remarks, *remarks])

    def _streamed(self, number: int, asked: Asked) -> Shown:
        voice = self.voices[number]
        text, how = text_of(asked, self.limits), said_how(asked)
        heard, remarks = self.worker.do(remarked, lambda: prompt_of(voice, asked, self.limits))
        begin = partial(voice.stream, text, heard, **how)
        self.worker.do(lambda: begin().close())  # which checks the text
        key = self.streams.put(Stream(begin, voice.codec.sample_rate, voice.about))
        # Of two that begin at once nobody would hear either.
        plays = "autoplay" if len(self.voices) == 1 else 'preload="none"'
        label = escape(f"Stream of {self.names[number]}", quote=True)
        html = f'<audio controls {plays} aria-label="{label}" src="spoken/{key}"></audio>'
        return Shown("", lines(["Spoken while it is heard. Speak makes the picture.", *remarks]), html, [])

    def _edited(
        self, number: int, key: str, word: int | None, text: str | None, rate: float | None, again: bool
    ) -> Shown:
        speech = self.speeches.get(key)
        if speech is None:
            raise UserError("there is no speech to change, or it is kept no longer; press Speak first")
        if word is None:
            raise UserError("no word is chosen; choose the one that is to change")
        if text is not None:
            text = " ".join(text.split())
            if not text:
                raise UserError("there is nothing to say instead; write a word")
            if len(text) > self.limits.text:
                raise UserError(f"{len(text)} characters are too many; {self.limits.text} are spoken at most")
        if rate is not None:
            check_rate(rate)
        began = time.monotonic()
        speech, remarks = self.worker.do(remarked, lambda: speech.edit(word, text, rate, again))
        return self._shown(number, speech, time.monotonic() - began, remarks)

    def _shown(self, number: int, speech: Synthesis, seconds: float, remarks: list[str]) -> Shown:
        name, length = self.names[number], len(speech.wav) / speech.sample_rate
        voice = f"voice {speech.prompt}" if speech.prompt else "the voice of the recording"
        parts = f" in {len(speech.parts)} parts" if len(speech.parts) > 1 else ""
        made = f"{length:.2f} s of speech{parts}, made in {seconds:.2f} s, {voice}."
        words = list(speech.words) if self.can_edit(number) else []
        if not words:
            remarks = [*remarks, "The ordering of this model keeps no times of phones, so no word can be changed."]
        return Shown(
            self.speeches.put(speech), lines([made, *remarks]), player(speech, name) + picture(speech, name), words
        )


def remarked(work: Callable[[], Any]) -> tuple[Any, list[str]]:
    """What `work` returns, and what it had to warn of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        made = work()
    return made, [one_line(one.message, 500) for one in caught if issubclass(one.category, PromptWarning)]


def line(said: str, wrong: bool = False) -> str:
    """A sentence as HTML."""
    return f'<p class="{"wrong" if wrong else "quiet"}" role="{"alert" if wrong else "status"}">{escape(said)}</p>'


def lines(said: Sequence[str]) -> str:
    """Sentences as HTML."""
    return "".join(map(line, said))
