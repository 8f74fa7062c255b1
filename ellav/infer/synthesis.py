"""What a synthesizer returns, and how the parts of a long text become one speech."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ellav.infer.chunks import Chunk
from ellav.infer.pipeline import Speech
from ellav.plugins.codecs import Codec
from ellav.plugins.text import Phones

CONFIDENCE = ("confidence", "ar_confidence", "nar_confidence")
"""Facts that are means over frames."""


@dataclass(frozen=True)
class Synthesis:
    """wav: (samples,) float32 at sample_rate Hz. phones and words with durations (N,) in
    frames of frame_rate Hz, None where the ordering keeps none. codes: (T, Q). prompt: the
    name of the built-in prompt that was used, or None. chunks: the parts in which the text
    was spoken. facts: plain figures, summed over the parts; `docs/synthesis.md` tells what its
    confidence is, a mean over their frames. seeds: what each part was spoken
    with. remarks: lines on what a person may want to know: what was heard in a prompt, which
    part came out silent and was spoken again."""

    wav: np.ndarray
    sample_rate: int
    phones: list[str]
    word_of_phone: np.ndarray
    words: list[str]
    durations: np.ndarray | None
    frame_rate: float
    codes: np.ndarray
    prompt: str | None
    chunks: list[str]
    facts: dict
    seeds: list[int] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    @property
    def confidence(self) -> float | None:
        """How sure the models were of what they said, 0 at most; None where that was not asked for."""
        return self.facts.get("confidence")


def joined(
    chunks: Sequence[Chunk], spoken: Sequence[Phones], speeches: Sequence[Speech], codec: Codec, prompt: str | None
) -> Synthesis:
    """One speech of its parts. Where the silence around a cut is shorter than what is due, silence is put in."""
    rate, frame_rate = codec.sample_rate, codec.frame_rate
    keeps = all(speech.durations is not None for speech in speeches)
    around = [_silence_around(speech, said) for speech, said in zip(speeches, spoken, strict=True)]
    wavs, codes, durations, owners = [], [], [], []
    phones: list[str] = []
    words: list[str] = []
    for number, (chunk, said, speech) in enumerate(zip(chunks, spoken, speeches, strict=True)):
        owner = np.array(said.word_of_phone, np.int32)
        owners.append(np.where(owner >= 0, owner + len(words), owner))
        phones += said.phones
        words += said.words
        wavs.append(speech.wav)
        codes.append(speech.codes)
        durations.append(speech.durations.copy() if keeps else None)
        if number + 1 < len(chunks):
            there = around[number][1] + around[number + 1][0]
            lacking = round((chunk.pause - there / frame_rate) * rate)
            if lacking > 0:
                gap = codec.encode([np.zeros(lacking, np.float32)])[0]
                codes.append(gap)
                wavs.append(np.zeros(round(len(gap) * rate / frame_rate), np.float32))
                if keeps:
                    durations[-1][-1] += len(gap)
    return Synthesis(
        wav=np.concatenate(wavs),
        sample_rate=rate,
        phones=phones,
        word_of_phone=np.concatenate(owners),
        words=words,
        durations=np.concatenate(durations) if keeps else None,
        frame_rate=frame_rate,
        codes=np.concatenate(codes),
        prompt=prompt,
        chunks=[chunk.text for chunk in chunks],
        facts=_summed([speech.facts for speech in speeches]),
    )


def _silence_around(speech: Speech, said: Phones) -> tuple[int, int]:
    """Frames of silence at the beginning and at the end, 0 where no durations are kept."""
    if speech.durations is None:
        return 0, 0
    first, last = (int(speech.durations[i]) if said.word_of_phone[i] < 0 else 0 for i in (0, -1))
    return first, last


def _summed(facts: Sequence[dict]) -> dict:
    """Counts and seconds added up, means averaged; hit_bound where any part has hit its bound."""
    total: dict = {}
    for key, value in facts[0].items():
        if key in CONFIDENCE:
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
