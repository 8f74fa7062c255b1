"""What a synthesizer returns, and how the parts of a long text become one speech."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ellav.infer.asked import Request
from ellav.infer.pipeline import Speech
from ellav.plugins.codecs import Codec
from ellav.types import Utterance

MEANS = ("alignment_score", "confidence", "ar_confidence", "nar_confidence")
"""Facts that are means over frames."""


class SpokenPhone(NamedTuple):
    """A phone as it was spoken, from `start` up to `end` in seconds, None where the ordering keeps no times.

    word: the word that it is of, None for silence. confidence: the mean of how sure the models were of its frames;
    None where that was not asked for, and for a phone without frames.
    """

    phone: str
    word: str | None
    start: float | None
    end: float | None
    confidence: float | None


class SpokenPart(NamedTuple):
    """A part of what was said: what was asked for, what became of it with which seed, and after which prompt."""

    request: Request
    speech: Speech
    seed: int
    prompt: Utterance


@dataclass(frozen=True)
class Synthesis:
    """wav: (samples,) float32 at sample_rate Hz. symbols, word_of_phone and words are its N phones, with durations (N,)
    in frames of frame_rate Hz, None where the ordering keeps none; `phones` has all that together. codes: (T, Q).
    prompt: the name of the built-in prompt that was used, or None. parts: in which the text was spoken.
    facts: plain figures, summed over the parts; `docs/synthesis.md` tells what its
    confidence is, a mean over their frames. sure: (T,) confidence of each frame, NaN where silence was put in; None
    where that was not asked for. remarks: lines on what a person may want to know: what was heard in a prompt, which
    part came out silent and was spoken again. about: what a file's header should say, for
    `ellav.data.audio.write_wav`. editor: the `Synthesizer.edit` of the voice that spoke."""

    wav: np.ndarray
    sample_rate: int
    symbols: list[str]
    word_of_phone: np.ndarray
    words: list[str]
    durations: np.ndarray | None
    frame_rate: float
    codes: np.ndarray
    prompt: str | None
    facts: dict
    parts: list[SpokenPart] = field(default_factory=list)
    sure: np.ndarray | None = None
    remarks: list[str] = field(default_factory=list)
    about: dict[str, str] = field(default_factory=dict)
    editor: Callable[..., Synthesis] | None = None

    def __repr__(self) -> str:
        said = " ".join(self.words[:12]) + (" ..." if len(self.words) > 12 else "")
        seconds = len(self.wav) / self.sample_rate
        return f"<Synthesis: {said!r}, {seconds:.2f} s at {self.sample_rate} Hz, prompt {self.prompt!r}>"

    @property
    def chunks(self) -> list[str]:
        """The texts of the parts."""
        return [part.request.text for part in self.parts]

    @property
    def seeds(self) -> list[int]:
        """What each part was spoken with."""
        return [part.seed for part in self.parts]

    @property
    def confidence(self) -> float | None:
        """How sure the models were of what they said, 0 at most; None where that was not asked for."""
        return self.facts.get("confidence")

    @property
    def alignment_score(self) -> float | None:
        """How well the aligner found the phones in what was said; None where it was not asked, or did not find them."""
        return self.facts.get("alignment_score")

    @property
    def phones(self) -> list[SpokenPhone]:
        """Its N phones, with their times."""
        words = [self.words[owner] if owner >= 0 else None for owner in self.word_of_phone]
        if self.durations is None:
            return [SpokenPhone(phone, word, None, None, None) for phone, word in zip(self.symbols, words, strict=True)]
        ends = np.cumsum(self.durations)
        spans = [(int(end - frames), int(end)) for end, frames in zip(ends, self.durations, strict=True)]
        return [
            SpokenPhone(phone, word, start / self.frame_rate, end / self.frame_rate, self._sure_of(start, end))
            for phone, word, (start, end) in zip(self.symbols, words, spans, strict=True)
        ]

    def edit(
        self, word: int, text: str | None = None, rate: float | None = None, again: bool = False, **more
    ) -> Synthesis:
        """This speech with one word made anew, the rest kept; see `Synthesizer.edit`, which has `more` to say."""
        return self.editor(self, word, text, rate, again, **more)

    def _sure_of(self, start: int, end: int) -> float | None:
        """The mean confidence of some frames, but for silence that was put in."""
        sure = self.sure[start:end] if self.sure is not None else np.zeros(0)
        sure = sure[~np.isnan(sure)]
        return float(sure.mean()) if len(sure) else None


def joined(parts: Sequence[SpokenPart], codec: Codec, prompt: str | None) -> Synthesis:
    """One speech of its parts. Where the silence around a cut is shorter than what is due, silence is put in."""
    requests, speeches = [part.request for part in parts], [part.speech for part in parts]
    keeps = all(speech.durations is not None for speech in speeches)
    told = all(speech.sure is not None for speech in speeches)
    around = [_silence_around(part) for part in parts]
    wavs, codes, durations, owners, sure = [], [], [], [], []
    symbols: list[str] = []
    words: list[str] = []

    def silence(due: float, there: int) -> int:
        """Put in what is lacking of `due` seconds where `there` frames are; returns frames."""
        lacking = round((due - there / codec.frame_rate) * codec.sample_rate)
        if lacking <= 0:
            return 0
        gap = codec.encode([np.zeros(lacking, np.float32)])[0]
        codes.append(gap)
        wavs.append(np.zeros(round(len(gap) * codec.sample_rate / codec.frame_rate), np.float32))
        sure.append(np.full(len(gap), np.nan))
        return len(gap)

    for number, (request, speech) in enumerate(zip(requests, speeches, strict=True)):
        lead = silence(request.lead, around[number][0]) if number == 0 else 0
        said, owner = request.said, np.array(request.said.word_of_phone, np.int32)
        owners.append(np.where(owner >= 0, owner + len(words), owner))
        symbols += said.phones
        words += said.words
        wavs.append(speech.wav)
        codes.append(speech.codes)
        sure.append(speech.sure if told else np.zeros(0))
        following = around[number + 1][0] if number + 1 < len(parts) else 0
        pause = silence(request.pause, around[number][1] + following)
        if keeps:
            durations.append(speech.durations.copy())
            durations[-1][0] += lead
            durations[-1][-1] += pause
    return Synthesis(
        wav=np.concatenate(wavs),
        sample_rate=codec.sample_rate,
        symbols=symbols,
        word_of_phone=np.concatenate(owners),
        words=words,
        durations=np.concatenate(durations) if keeps else None,
        frame_rate=codec.frame_rate,
        codes=np.concatenate(codes),
        prompt=prompt,
        facts=_summed([speech.facts for speech in speeches]),
        parts=list(parts),
        sure=np.concatenate(sure) if told else None,
    )


def _silence_around(part: SpokenPart) -> tuple[int, int]:
    """Frames of silence at the beginning and at the end, 0 where no durations are kept."""
    durations, owners = part.speech.durations, part.request.said.word_of_phone
    if durations is None:
        return 0, 0
    first, last = (int(durations[i]) if owners[i] < 0 else 0 for i in (0, -1))
    return first, last


def _summed(facts: Sequence[dict]) -> dict:
    """Counts and seconds added up, means averaged; hit_bound where any part has hit its bound. What not all parts tell
    is left out."""
    total: dict = {}
    for key, value in facts[0].items():
        if any(key not in part for part in facts):
            continue
        if key in MEANS:
            total[key] = _mean([(part[key], part["frames"]) for part in facts if part[key] is not None])
        elif isinstance(value, bool):
            total[key] = any(part[key] for part in facts)
        elif isinstance(value, (int, float)):
            total[key] = sum(part[key] for part in facts)
    return total


def _mean(weighted: Sequence[tuple[float, int]]) -> float | None:
    """Of values with their weights, None where there are none."""
    weights = sum(weight for _, weight in weighted)
    return sum(value * weight for value, weight in weighted) / weights if weights else None
