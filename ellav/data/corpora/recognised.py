"""Transcripts of long recordings by a transcriber, a piece at a time."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ellav.data.audio import read_recording, resample
from ellav.data.corpora import Dropped, Spoken
from ellav.data.corpora.librilight import Recording, pieces
from ellav.data.corpora.pauses import Lengths
from ellav.data.journal import Journal
from ellav.errors import UserError, one_line
from ellav.plugins.transcribers import Transcriber, transcribers


def store(out: Path, name: str, conf: dict) -> Path:
    """The folder that keeps what this transcriber has heard, a file for each recording, so that it hears it once."""
    made_by = json.dumps([transcribers.record(name), conf], sort_keys=True, default=str)
    return out / "recognised" / hashlib.sha256(made_by.encode()).hexdigest()[:12]


def recogniser(
    name: str, conf: dict, lengths: Lengths, least_confidence: float, seconds: float, folder: Path
) -> Callable[[Recording | Dropped], list[Spoken | Dropped]]:
    """A function from a recording to its pieces with their words, and to what is not used of it.

    seconds: how much of a recording to hear, at most. folder: of `store`.
    """
    transcriber = transcribers.create(name, conf)

    def rows(recording: Recording | Dropped) -> list[Spoken | Dropped]:
        if isinstance(recording, Dropped):
            return [recording]
        made: list[Spoken | Dropped] = []
        heard = 0.0
        with Journal(folder / f"{recording.id}.jsonl", stay=True) as journal:
            for piece in pieces(recording, lengths):
                if isinstance(piece, Dropped):
                    made.append(piece)
                    continue
                id, span = piece
                if heard and heard + span.seconds > seconds:
                    break
                heard += span.seconds
                if id not in journal.found:
                    journal.add(id, hear(transcriber, recording.wav, span.start, span.end))
                result = journal.found[id]
                if fault := _fault(result, least_confidence):
                    made.append(Dropped(id, *fault, span.seconds))
                else:
                    text = result["text"]
                    made.append(
                        Spoken(
                            id, recording.reader, text, recording.wav, span.seconds, recording.id, span.start, span.end
                        )
                    )
        return made

    return rows


def hear(transcriber: Transcriber, wav: str, start: float, end: float) -> dict:
    """`text`, and `confidence` where there is one, of a part of a recording; or `error`."""
    try:
        read, rate = read_recording(wav, start, end)
    except UserError as error:
        return {"error": one_line(error)}
    samples = resample(read.mean(axis=1), rate, transcriber.sample_rate)
    scored = getattr(transcriber, "transcribe_scored", None)
    if scored is None:
        return {"text": transcriber.transcribe(samples)}
    text, confidence = scored(samples)
    return {"text": text, "confidence": float(np.nan_to_num(confidence))}


def _fault(result: dict, least_confidence: float) -> tuple[str, str] | None:
    """Filter and reason, where a piece is not used."""
    if "error" in result:
        return "audio", result["error"]
    if not result["text"].strip():
        return "no-transcript", "nothing was recognised"
    confidence = result.get("confidence", math.inf)
    if confidence < least_confidence:
        return "confidence", f"recognised with {confidence:.2f}, below {least_confidence:g}"
    return None
