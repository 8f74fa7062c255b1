"""The voices that can be asked for: the model's own, and those that clients have brought, which are in memory only."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ellav.data.audio import opened
from ellav.errors import UserError, one_line
from ellav.infer.bundle import check_name, check_text
from ellav.infer.prompts import Heard
from ellav.infer.recordings import MOST_CHANNELS, Given, read_given
from ellav.infer.synthesizer import Synthesizer

DEFAULT = "default"
"""The name of the model's first voice, whatever else it is called."""

HIGHEST_RATE = 192_000  # Hz of a recording
RECORDING = "the recording"


class Brought(NamedTuple):
    """A voice that a client has brought. remarks: what there is to say of it. created: seconds since 1970."""

    heard: Heard
    seconds: float
    remarks: list[str]
    created: int


@dataclass
class Limits:
    """On what clients bring: recordings at once, seconds of each."""

    number: int = 16
    seconds: float = 30.0


class Voices:
    """The voices of a model by name, and up to `limits.number` more. Used from one thread."""

    def __init__(self, built_in: dict, limits: Limits):
        self.built_in, self.limits = built_in, limits
        self._brought: dict[str, Brought] = {}
        self._coming: set[str] = set()

    @property
    def names(self) -> list[str]:
        """All that can be asked for."""
        return [*self.built_in, *self._brought]

    def get(self, name: str | None) -> str | Heard | None:
        """What `Synthesizer` takes as the prompt; raises UserError that lists the names. None, DEFAULT: the first."""
        if name in (None, DEFAULT) and name not in self.names:
            if not self.built_in:
                raise UserError("this model has no voice of its own; bring one: POST /v1/voices")
            return None
        if name in self._brought:
            return self._brought[name].heard
        if name not in self.built_in:
            raise UserError(f"no voice {one_line(repr(name), 100)}; there are {', '.join(self.names)}")
        return name

    def listed(self) -> list[dict]:
        """What a client may know of each voice."""
        own = [{"id": name, "object": "voice", "built_in": True} for name in self.built_in]
        return own + [self._told(name) for name in self._brought]

    def expect(self, name: str) -> None:
        """Keep a place for a voice that is being read until `add` or `give_up`; UserError where there is none."""
        check_name(name)
        if name == DEFAULT or name in self.built_in:
            raise UserError(f"voice {name!r} is the model's own; take another name")
        if name in self.names or name in self._coming:
            raise UserError(f"voice {name!r} is there already; take another name, or DELETE it first")
        if len(self._brought) + len(self._coming) >= self.limits.number:
            raise UserError(f"{self.limits.number} voices are kept at most; DELETE one first")
        self._coming.add(name)

    def give_up(self, name: str) -> None:
        """The voice that was expected does not come."""
        self._coming.discard(name)

    def add(self, name: str, brought: Brought) -> dict:
        """Keep a voice that was expected; what a client may know of it."""
        self._coming.discard(name)
        self._brought[name] = brought
        return self._told(name)

    def remove(self, name: str) -> bool:
        """Forget a voice that a client has brought; whether it was there. Raises UserError for one of the model's."""
        if name in self.built_in:
            raise UserError(f"voice {name!r} belongs to the model and stays")
        return self._brought.pop(name, None) is not None

    def _told(self, name: str) -> dict:
        kept = self._brought[name]
        told = {"id": name, "object": "voice", "built_in": False, "created": kept.created}
        return told | {"seconds": round(kept.seconds, 3), "remarks": kept.remarks}


def recording_of(content: bytes, most: float) -> Given:
    """The recording that a client has sent, of any format that libsndfile knows by its content.

    No more than `most` seconds are decoded, however few bytes they are packed in. Raises UserError.
    """
    with opened(io.BytesIO(content), RECORDING) as file:
        if file.samplerate > HIGHEST_RATE or file.channels > MOST_CHANNELS:
            raise UserError(
                f"{RECORDING}: {file.samplerate} Hz in {file.channels} channels; send {HIGHEST_RATE} Hz and"
                f" {MOST_CHANNELS} channels at most"
            )
        frames = int(most * file.samplerate)
        wav, rate = file.part(0, frames + 1), file.samplerate
    if len(wav) > frames:
        raise UserError(f"{RECORDING}: is longer than {most:g} s; send about 3 s of speech")
    if not len(wav):
        raise UserError(f"{RECORDING}: holds no samples")
    return read_given(wav.mean(axis=1, dtype=np.float32), rate)._replace(name=RECORDING)


def bring(voice: Synthesizer, content: bytes, text: str, most: float, language: str = "") -> Iterator[Brought]:
    """Yields the one voice of a recording that says `text` in `language`; a job for the thread that owns the models.

    Raises UserError where it cannot be spoken after.
    """
    check_text(text, "text")
    given = recording_of(content, most)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        heard = voice.hear(given, text, prompt_language=language)
    remarks = [*heard.remarks, *(one_line(warning.message, 500) for warning in caught)]
    yield Brought(heard, len(given.wav) / given.rate, remarks, int(time.time()))
