"""The laws of the transcriber contract: what kind of text comes back, from any audio."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ellav.plugins.transcribers import Transcriber
from ellav.testing.contract import METHOD, SAMPLE_RATE, Group, demand, has, keep_laws, law
from ellav.testing.sounds import show, sounds


def check_transcriber(transcriber: Transcriber, cases: int = 4, seed: int = 0) -> None:
    """Listen to machine-made sounds. Raises ContractError with the smallest counter-example."""
    keep_laws(transcriber_laws(transcriber, cases, seed))


def transcriber_laws(transcriber: Transcriber, cases: int = 4, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; sounds go from short to long."""
    yield [attributes], [(transcriber,)]
    heard = [(transcriber, wav) for wav in sounds(transcriber.sample_rate, cases, seed)]
    yield [plain_words], heard
    yield [repeatable, sound_kept], heard


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`.")
def attributes(transcriber: Transcriber) -> None:
    """The sample rate."""
    has(transcriber, sample_rate=SAMPLE_RATE, transcribe=METHOD)


@law(
    "words in upper case come back, separated by single spaces",
    'Return `" ".join(words).upper()`, which is an empty string where nothing is heard, also of no sound at all.',
    show,
)
def plain_words(transcriber: Transcriber, wav: np.ndarray) -> None:
    """Any sound gives a string that is as `split` and `join` leave it."""
    heard = transcriber.transcribe(wav.copy())
    demand(isinstance(heard, str), f"a {type(heard).__name__} comes back")
    demand(heard == " ".join(heard.split()).upper(), f"{heard!r} comes back")


@law(
    "what is heard does not depend on what was heard before",
    "Reset the recogniser's adaptation and history at the beginning of `transcribe`.",
    show,
)
def repeatable(transcriber: Transcriber, wav: np.ndarray) -> None:
    """The same again, with another sound in between."""
    first = transcriber.transcribe(wav.copy())
    transcriber.transcribe(np.concatenate([wav[::-1], wav[::-1]]))
    again = transcriber.transcribe(wav.copy())
    demand(first == again, f"first {first!r}, the second time {again!r}")


@law("the sound is not changed", "Work on a copy of the samples.", show)
def sound_kept(transcriber: Transcriber, wav: np.ndarray) -> None:
    """No operation in place."""
    given = wav.copy()
    transcriber.transcribe(given)
    demand(np.array_equal(given, wav), "its samples are changed")
