"""Requests in, speech out: AR model, NAR model and codec in turn, over whole batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch

from ellav.errors import UserError
from ellav.infer.bundle import MOST
from ellav.infer.confidence import mean_log_probability, of_both
from ellav.infer.engine import Engine
from ellav.infer.session import Decoded
from ellav.infer.voice_match import ENOUGH, VoiceMatch, recording_of
from ellav.models.nar import Completed, Mixing, NARInput, NARModel
from ellav.plugins.codecs import Codec
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.plugins.faults import at_work_on
from ellav.types import NONE, DecodingRequest


@dataclass(frozen=True)
class Speech:
    """What one request became, without its prompt unless `whole` was asked for.

    codes: (T, Q). wav: (samples,) float32 at the codec's rate. phones: (N,) with
    durations (N,) in frames, None where the ordering keeps none. facts: what scorers and
    reports want to know, plain numbers. vectors: as of a Reading. sure: (T,) of each frame, see there.
    """

    id: str
    codes: np.ndarray
    wav: np.ndarray
    phones: np.ndarray
    word_of_phone: np.ndarray
    durations: np.ndarray | None
    facts: dict
    vectors: np.ndarray | None = None
    sure: np.ndarray | None = None


@dataclass(frozen=True)
class Reading:
    """What AR and NAR model made of one request with `seed`, prompt included.

    codes: (T, Q). vectors: (T, D), what lies between codes, where the pipeline tells these. durations: (N,) in frames,
    None where the ordering keeps none. facts: those of a Speech, but for the codec's time. sure: (frames,) how sure the
    models are of each frame after the prompt, as `of_both` tells of all; None where that was not asked for, or the AR
    model makes more than a code a frame.
    """

    request: DecodingRequest
    seed: int
    codes: np.ndarray
    vectors: np.ndarray | None
    durations: np.ndarray | None
    facts: dict
    sure: np.ndarray | None = None


class Begun(NamedTuple):
    """What the AR model made of a request: rows as the session gives them, the codes (T, C) that they tell, prompt
    included, and durations (N,) in frames, None where the ordering keeps none."""

    rows: Decoded
    codes: np.ndarray
    durations: np.ndarray | None


class Pipeline:
    """The three models of one voice system. nar may be None where the AR model makes all codebooks.

    nar_prompt: frames of a prompt, its last ones, that the NAR model is given at most; None: all. nar_temperature: 0
    for its likeliest codes, as in the papers; above, the codec speaks what lies between codes (`nar.Mixing`).
    match_voice: how much of what the NAR model misses of a prompt's voice is added to these (`voice_match.VoiceMatch`),
    as a share; silence: the id of the phone that does not count for it. Raises UserError as `speaks_vectors` does.
    """

    def __init__(
        self,
        engine: Engine,
        nar: NARModel | None,
        codec: Codec,
        nar_prompt: int | None = None,
        nar_temperature: float = 0.0,
        match_voice: float = 0.0,
        silence: int = NONE,
    ):
        self.engine, self.codec, self.nar_prompt = engine, codec, nar_prompt
        self.nar = nar.eval() if nar is not None else None
        self.mixing = self.match = None
        if speaks_vectors(codec, nar_temperature, match_voice) and nar is not None:
            self.mixing = Mixing(torch.from_numpy(codec.vectors()).to(nar.table.device), nar_temperature)
            if match_voice:
                enough = round(ENOUGH * codec.frame_rate)
                self.match = VoiceMatch(self.nar, self.mixing, match_voice, silence, nar_prompt, enough)
        self.group = 4 * engine.batch  # requests that are worked on together

    def speak(
        self,
        requests: Iterable[DecodingRequest],
        seed: int = 0,
        whole: bool = False,
        done: Callable[[int], None] | None = None,
    ) -> Iterator[Speech]:
        """Yield the speech of each request, in order.

        whole: keep the prompt in front (continuation is judged so). done: called with the
        number of requests just finished. A request's result depends on nothing but itself
        and the seed.
        """
        for group in _batches(requests, self.group):
            yield from self.say(self.read(group, seed, done), whole)

    def sound(self, frames: list[np.ndarray]) -> list[np.ndarray]:
        """(samples,) float32 of each: of codes (T, Q), or of vectors (T, D) where the pipeline tells these."""
        return self.codec.decode(frames) if self.mixing is None else self.codec.decode_vectors(frames)

    def sums(self, codes: np.ndarray) -> np.ndarray:
        """Codes (T, Q) -> the sums (T, D) of their vectors."""
        vectors = self.mixing.vectors
        return sums_of_vectors(vectors, torch.from_numpy(codes.astype(np.int64)).to(vectors.device)).cpu().numpy()

    def fitting(self, request: DecodingRequest) -> DecodingRequest:
        """The request with no more codebooks of its prompt than the NAR model gives a frame; its voice keeps all."""
        if self.nar is None:
            return request
        return replace(request, codes=request.codes[:, : self.nar.codebooks], voice=recording_of(request))

    def missed(self, requests: Sequence[DecodingRequest]) -> list[np.ndarray | float]:
        """What is added to each frame (D,) that the NAR model tells after the prompts of `fitting` requests."""
        if self.match is None:
            return [0.0] * len(requests)
        return [
            one
            for part in _batches(requests, self.engine.batch)
            for one in self.match.missed([recording_of(request) for request in part])
        ]

    def read(
        self,
        requests: Sequence[DecodingRequest],
        seed: int | Sequence[int] = 0,
        done: Callable[[int], None] | None = None,
        confidence: bool = False,
    ) -> list[Reading]:
        """All but the samples, of requests that are worked on together; `group` of them at most, to keep memory small.

        seed: of all, or one for each. confidence: whether facts tell how sure the models are, see
        `ellav.infer.confidence`. The rest as for `speak`.
        """
        requests = [self.fitting(request) for request in requests]
        seeds = seed if isinstance(seed, Sequence) else [seed] * len(requests)
        clock = _Clock()
        begun = self.begin(requests, seeds, done, confidence)
        clock.stop("ar_seconds")

        completed = [Completed(made.codes, None, None) for made in begun]
        if self.nar is not None:
            completed = self.complete(requests, begun, confidence)
        clock.stop("nar_seconds")

        spoken = [len(made.codes) - len(request.codes) for made, request in zip(completed, requests, strict=True)]
        total = max(1, sum(spoken))
        readings = []
        for i, (request, first, made, frames) in enumerate(zip(requests, begun, completed, spoken, strict=True)):
            rows, sure = first.rows, None
            facts = {
                "id": request.id,
                "frames": frames,
                "prompt_frames": len(request.codes),
                "phones": len(request.phones) - len(request.durations) + request.open,
                "cuts": rows.cuts,
                "hit_bound": bool(frames >= request.max_frames),
                "steps": rows.steps,
                "audio_seconds": round(frames / self.codec.frame_rate, 4),
                **{name: round(seconds * frames / total, 5) for name, seconds in clock.seconds.items()},
            }
            if confidence:
                further = self.nar.codebooks - self.nar.known if self.nar is not None else 0
                by_nar = made.log_probability
                of_nar = None if by_nar is None else mean_log_probability(by_nar.sum(), frames * further)
                facts |= of_both(rows.confidence, of_nar)
                if rows.log_probabilities is not None and len(rows.log_probabilities) == frames:
                    sure = rows.log_probabilities + (0.0 if by_nar is None else by_nar / further)
            readings.append(Reading(request, seeds[i], made.codes, made.vectors, first.durations, facts, sure))
        return readings

    def begin(
        self,
        requests: Sequence[DecodingRequest],
        seeds: Sequence[int],
        done: Callable[[int], None] | None = None,
        confidence: bool = False,
    ) -> list[Begun]:
        """What the AR model alone makes of requests, each with a seed of its own. The rest as for `read`."""
        ordering, scripts, begun = self.engine.ordering, [], []
        for request in requests:
            with at_work_on(f"utterance {request.id!r}"):
                scripts.append(ordering.script(request))
        decoded = self.engine.decode([request.id for request in requests], scripts, seeds, done, confidence)
        for request, rows in zip(requests, decoded, strict=True):
            with at_work_on(f"utterance {request.id!r}"):
                made = ordering.restore(rows.ids)
            durations = None if made.durations is None else around_prompt(made.durations, request)
            begun.append(Begun(rows, made.codes, durations))
        return begun

    def say(self, readings: Sequence[Reading], whole: bool = False) -> list[Speech]:
        """The speech of each reading. whole: as for `speak`."""
        skipped = [0 if whole else len(reading.request.codes) for reading in readings]
        clock = _Clock()
        frames = [reading.codes if self.mixing is None else reading.vectors for reading in readings]
        wavs = self.sound([some[start:] for some, start in zip(frames, skipped, strict=True)])
        clock.stop("codec_seconds")
        total = max(1, sum(reading.facts["frames"] for reading in readings))
        speeches = []
        for reading, start, wav in zip(readings, skipped, wavs, strict=True):
            request, durations = reading.request, reading.durations
            first = 0 if whole else len(request.durations) - request.open
            if durations is not None and not whole:
                durations = durations_after(durations, len(request.codes))[first:]
            seconds = round(clock.seconds["codec_seconds"] * reading.facts["frames"] / total, 5)
            facts = {**reading.facts, "codec_seconds": seconds}
            facts["seconds"] = round(sum(facts[f"{part}_seconds"] for part in ("ar", "nar", "codec")), 5)
            phones, words = request.phones[first:], request.word_of_phone[first:]
            codes, vectors = reading.codes[start:], None if reading.vectors is None else reading.vectors[start:]
            sure = None if whole else reading.sure
            speeches.append(Speech(request.id, codes, wav, phones, words, durations, facts, vectors, sure))
        return speeches

    def complete(
        self, requests: Sequence[DecodingRequest], begun: Sequence[Begun], confidence: bool = False
    ) -> list[Completed]:
        """What the NAR model makes of the known codebooks, behind the part of the prompt that it is not given."""
        items = [
            nar_input(request, made.durations, made.codes, self.nar_prompt)
            for request, made in zip(requests, begun, strict=True)
        ]
        made = [
            c for part in _batches(items, self.engine.batch) for c in self.nar.complete(part, self.mixing, confidence)
        ]
        whole = []
        for request, item, one, missed in zip(requests, items, made, self.missed(requests), strict=True):
            before = request.codes[: len(request.codes) - len(item.prompt)]
            vectors = None
            if self.mixing is not None:
                new = len(item.prompt)
                vectors = np.concatenate([self.sums(before), one.vectors[:new], one.vectors[new:] + missed])
            whole.append(Completed(np.concatenate([before, one.codes]), vectors, one.log_probability))
        return whole


def speaks_vectors(codec: Codec, nar_temperature: float, match_voice: float) -> bool:
    """Whether codes become sound as vectors. Raises UserError for a number out of bounds, or where the codec cannot."""
    for name, value in (("nar_temperature", nar_temperature), ("match_voice", match_voice)):
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= MOST[name]:
            raise UserError(f"{name}={value!r} is no number from 0 to {MOST[name]}")
        if value and not hasattr(codec, "decode_vectors"):
            raise UserError(f"{name}={value:g}: codec {codec.name} cannot speak what lies between its codes")
    return bool(nar_temperature or match_voice)


def nar_input(request: DecodingRequest, durations: np.ndarray | None, codes: np.ndarray, most: int | None) -> NARInput:
    """What the NAR model is to complete, with at most the last `most` frames of the prompt in front.

    durations: (N,) frames or None; codes: (T, C), both with the whole prompt. A phone of which only the end is
    kept stays with the rest of its duration.
    """
    skipped = 0 if most is None else max(0, len(request.codes) - most)
    first = int(np.searchsorted(np.cumsum(request.durations), skipped, side="right")) if skipped else 0
    if durations is not None and skipped:
        durations = durations_after(durations, skipped)[first:]
    return NARInput(request.phones[first:], durations, codes[skipped:], request.codes[skipped:])


def around_prompt(durations: np.ndarray, request: DecodingRequest) -> np.ndarray:
    """(N,) durations as restored, but those that ended in the prompt as they are known, and no other end inside it.

    Rows need not tell where every phone ends; where they do not, restored ends are a guess.
    """
    closed = len(request.durations) - bool(request.open)
    ends = np.cumsum(durations)
    ends[:closed] = np.cumsum(request.durations)[:closed]
    ends[closed:] = np.maximum(ends[closed:], len(request.codes))
    return np.diff(ends, prepend=0).astype(np.int32)


def durations_after(durations: np.ndarray, frames: int) -> np.ndarray:
    """(N,) durations without what lies in the first `frames` frames."""
    ends = np.cumsum(durations)
    return np.diff(np.maximum(ends, frames), prepend=frames).astype(np.int32)


def _batches(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while group := list(islice(items, size)):
        yield group


class _Clock:
    """Seconds between one stop and the next, by name."""

    def __init__(self):
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def stop(self, name: str) -> None:
        now = time.perf_counter()
        self.seconds[name] = now - self._last
        self._last = now
