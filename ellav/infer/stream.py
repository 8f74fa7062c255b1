"""Speech while it is made: the AR model decodes, and what is known goes through NAR model and codec in windows.

A window waits until its frames, and a few behind them, are known, whatever comes after; so the windows depend on the
speech alone, not on how fast anything is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, fields
from typing import NamedTuple

import numpy as np

from ellav.errors import UserError
from ellav.infer.codec_windows import CodecWindows
from ellav.infer.nar_windows import NARWindows
from ellav.infer.pipeline import Pipeline, around_prompt
from ellav.infer.session import Session
from ellav.plugins.faults import at_work_on
from ellav.types import DecodingRequest, Restored


@dataclass(frozen=True)
class Windows:
    """In which windows speech is made, all in seconds.

    first: of the first window of each part; every later one is half as long again as the one before it, up to `hop`:
    short windows are heard sooner, long ones cost less. context: of what was made last, which the NAR model sees again.
    ahead: of codebook 1 behind a window, which the NAR model sees too.
    """

    first: float = 0.3
    hop: float = 1.2
    context: float = 1.0
    ahead: float = 0.1

    def __post_init__(self):
        for field in fields(self):
            value, least = getattr(self, field.name), 0.0 if field.name in ("context", "ahead") else 0.01
            if not isinstance(value, (int, float)) or not least <= value <= 60:
                raise UserError(f"windows: {field.name}={value!r} is no number of seconds from {least:g} to 60")

    def in_frames(self, frame_rate: float) -> tuple[int, int, int, int]:
        """first, hop, context, ahead; windows have one frame at least, and none is shorter than the first."""
        first, hop, context, ahead = (round(getattr(self, field.name) * frame_rate) for field in fields(self))
        return max(1, first), max(1, first, hop), context, ahead


class Part(NamedTuple):
    """A part of what is said. pause: seconds of silence due after it. One whose text goes on (`request.more`) is
    followed by itself, with more of its text."""

    request: DecodingRequest
    pause: float


class Known(NamedTuple):
    """What is known when a window's turn has come. codes: (T, C) of prompt, of all windows up to this one and of the
    frames behind it. durations: (N,) frames of each phone, T at least in all, or None. frames: of the window, 0 only in
    a last one. part: as far as it is known, with N phones."""

    codes: np.ndarray
    durations: np.ndarray | None
    frames: int
    last: bool
    part: Part


def speak(pipeline: Pipeline, parts: Iterable[Part], seed: int, windows: Windows) -> Iterator[np.ndarray]:
    """Yield the samples of one part after another, each a (samples,) float32 at a time, as soon as they are made.

    Between parts stands the silence that is due and that neither has spoken, as far as the first window of the second
    one tells. More of a text is asked for when all that is known of it is decoded. Whoever closes the iterator ends the
    decoding with it.
    """
    codec = pipeline.codec
    first, hop, context, ahead = windows.in_frames(codec.frame_rate)
    session = pipeline.engine.open(1)
    due = 0.0  # seconds of silence before the next sound
    parts = iter(parts)
    for part in parts:
        nar, samples = NARWindows(pipeline, part.request, context), CodecWindows(codec, pipeline.sound)
        with closing(decoding(session, part, parts, seed, first, hop, ahead)) as known_windows:
            for known in known_windows:
                request, pause = known.part
                frames = nar.push(known.codes, known.durations, known.frames, request.phones)
                wav = samples.push(frames, known.last)
                if not len(wav):
                    continue
                if due > 0:
                    lacking = due - _silence(request, known.durations, len(request.durations)) / codec.frame_rate
                    wav = np.concatenate([np.zeros(max(0, round(lacking * codec.sample_rate)), np.float32), wav])
                    due = 0.0
                yield wav
        due = pause - _silence(request, known.durations, len(request.phones) - 1) / codec.frame_rate


def decoding(
    session: Session, part: Part, following: Iterator[Part], seed: int, first: int, hop: int, ahead: int
) -> Iterator[Known]:
    """Decode one part in a session that nothing else is decoded in, and yield its windows as they become known.

    following: what the part is next, as long as its text goes on. first, hop, ahead: frames, see `Windows`. Where rows
    cannot be read before they are complete, no window is known before all are.
    """
    request = part.request
    ordering, prompt = session.engine.ordering, len(request.codes)
    with at_work_on(f"utterance {request.id!r}"):
        number = session.add(request.id, ordering.script(request), seed)
    readable = hasattr(ordering, "restore_begun")
    codes, durations, ended = request.codes[:, : ordering.codebooks], None, False
    start, size, last = 0, first, False
    try:
        while not last:
            while not ended and (lacking := start + size + ahead - (len(codes) - prompt)) > 0:
                while not session.busy:
                    part = next(following)
                    with at_work_on(f"utterance {request.id!r}"):
                        session.extend(number, ordering.script(part.request))
                for _ in range(max(1, lacking // ordering.streams)):  # a step makes no more than `streams` frames
                    session.step()
                decoded = session.take().get(number)
                ended = decoded is not None
                with at_work_on(f"utterance {request.id!r}"):
                    if ended:
                        restored = ordering.restore(decoded.ids)
                    elif not readable or (rows := session.peek(number)) is None:
                        continue
                    else:
                        restored = ordering.restore_begun(rows)
                if ended or len(restored.codes) > prompt:
                    codes, durations = restored.codes, _durations(restored, part.request)
            total = len(codes) - prompt
            last = total - start < size + ahead
            frames = total - start if last else size
            yield Known(codes[: prompt + start + frames + (0 if last else ahead)], durations, frames, last, part)
            start, size = start + frames, min(hop, size + (size + 1) // 2)
    finally:
        session.cancel(number)


def _durations(restored: Restored, request: DecodingRequest) -> np.ndarray | None:
    """(N,) frames of each phone so far, as the whole of a request has them."""
    if restored.durations is None:
        return None
    so_far = np.pad(restored.durations, (0, len(request.phones) - len(restored.durations)))
    return around_prompt(so_far, request)


def _silence(request: DecodingRequest, durations: np.ndarray | None, phone: int) -> int:
    """Frames of a phone if it is silence, 0 otherwise and where no durations are kept."""
    return int(durations[phone]) if durations is not None and request.word_of_phone[phone] < 0 else 0
