"""What a person asks for on the page, checked before a model is troubled with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ellav.errors import UserError
from ellav.infer.asked import check_rate, check_seed
from ellav.infer.bundle import check_text
from ellav.infer.prompts import Heard
from ellav.infer.recordings import Given
from ellav.infer.synthesizer import Synthesizer
from ellav.serve.voices import RECORDING, recording_of

OWN = "a recording"
"""The choice of a voice that is none of the model's; no prompt can be called so."""

FIRST = "each model's first"
"""The choice where two models have no prompt of the same name."""

AGREED = "The owner of this voice has agreed to it"
"""What has to be ticked for a recording."""


@dataclass(frozen=True)
class Limits:
    """text: characters of a text. seconds, bytes: of a recording."""

    text: int = 1000
    seconds: float = 30.0
    bytes: int = 10_000_000


@dataclass(frozen=True)
class Asked:
    """What is filled in. voice: a name of `voice_choices`; recording, transcript, agreed, prompt_language: of OWN
    alone. rate, seed: as they come from a browser, numbers or not. Languages are of `language_choices`; without one a
    text is in a model's first, and a recording in that of the text."""

    text: str
    voice: str
    recording: str | None = None
    transcript: str = ""
    agreed: bool = False
    rate: float = 1.0
    seed: float | None = 0
    language: str | None = ""
    prompt_language: str | None = ""


def voice_choices(voices: Sequence[Synthesizer]) -> list[str]:
    """The voices that all models have, then OWN."""
    common = [name for name in voices[0].prompts if all(name in voice.prompts for voice in voices)]
    first = [] if common or not all(voice.prompts for voice in voices) else [FIRST]
    return [*common, *first, OWN]


def language_choices(voices: Sequence[Synthesizer]) -> list[str]:
    """The languages that all models speak, where each speaks several."""
    if any(len(voice.languages.known) < 2 for voice in voices):
        return []
    return [name for name in voices[0].languages.known if all(name in voice.languages.known for voice in voices)]


def text_of(asked: Asked, limits: Limits) -> str:
    """The text; raises UserError where there is none, or more than is spoken."""
    text = (asked.text or "").strip()
    if not text:
        raise UserError("there is no text; write what is to be said")
    if len(text) > limits.text:
        raise UserError(f"the text has {len(text)} characters; {limits.text} are spoken at most")
    return text


def said_how(asked: Asked) -> dict:
    """seed, rate and language, as `Synthesizer` takes them; raises UserError for a seed or rate that is
    none."""
    return {"seed": check_seed(asked.seed), "rate": check_rate(asked.rate), "language": asked.language or ""}


def recording_at(path: str | None, limits: Limits) -> Given:
    """The recording that was uploaded or made; raises UserError where there is none, or it is none."""
    if not path:
        raise UserError("there is no recording; upload one, or speak into the microphone: about 3 s")
    try:
        content = Path(path).read_bytes()
    except OSError:
        raise UserError(f"{RECORDING}: is kept no longer; send it again") from None
    if len(content) > limits.bytes:
        raise UserError(f"{RECORDING}: is larger than {limits.bytes / 1e6:g} MB")
    return recording_of(content, limits.seconds)


def prompt_of(voice: Synthesizer, asked: Asked, limits: Limits) -> Heard:
    """The prompt that is meant, read. Raises UserError, and warns, as `Synthesizer.hear` does."""
    if asked.voice != OWN:
        return voice.hear(None if asked.voice == FIRST else voice.bundle.prompt(asked.voice).name)
    given = recording_at(asked.recording, limits)
    if not asked.agreed:
        raise UserError(f"a voice is taken only with its owner's consent; tick: {AGREED}")
    if not (asked.transcript or "").strip():
        raise UserError(f"{RECORDING}: its words are missing; write what it says")
    said = check_text(" ".join(asked.transcript.split()), RECORDING)
    return voice.hear(given, said, prompt_language=asked.prompt_language or asked.language or "")
