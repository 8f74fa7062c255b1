"""A word of a speech made anew, the rest kept.

The AR model decodes the word behind all that stands before it, several times. It knows the phones that follow, but not
how they were said; so each reading is put between what is kept, the model is asked how likely all of it is, and the
likeliest one is taken. The NAR model then sees what is kept on both sides, and the codec speaks the part as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch

from ellav.data.dataset import Tokens
from ellav.data.joins import join
from ellav.errors import UserError
from ellav.infer.asked import Edit, Request
from ellav.infer.engine import Engine
from ellav.infer.pacing import timed
from ellav.infer.pipeline import Begun, Pipeline, Speech, durations_after
from ellav.infer.requests import cross_sentence
from ellav.plugins.text import Phones
from ellav.types import NONE, DecodingRequest, Utterance

SEEN = 0.4
"""Seconds behind the word by which a reading is judged, beside the word itself."""

SETTLED = 0.2
"""Seconds behind the word, and what an ordering knows ahead of time, that are decoded as long as they were; what comes
then is not used, and so decoded as short as can be."""


def speak_edited(
    pipeline: Pipeline, prompt: Utterance, request: Request, tokens: Tokens, seed: int, readings: int
) -> tuple[Speech, int]:
    """The speech of a part of which some phones are made anew (`request.edit`), and the seed of what is new in it.

    readings: how many are made, with the seeds from `seed` on, to choose from. Raises UserError where the ordering
    keeps no times of phones.
    """
    engine, edit = pipeline.engine, request.edit
    if not engine.ordering.needs_durations:
        raise UserError(f"edit: the ordering {engine.ordering.name} of this model keeps no times of phones")
    if (edit.before.vectors is None) != (pipeline.mixing is None):
        raise UserError(
            "edit: this speech was made with another nar_temperature or match_voice; let the voice edit it that made it"
        )
    before = _before(prompt, request, tokens)
    decoding, asked = _rest(before, request, tokens, engine.ordering.lookahead)
    decoding = replace(timed(pipeline, [decoding], [asked], seed)[0], voice=prompt)
    begun = pipeline.begin([decoding] * readings, list(range(seed, seed + readings)))
    language = getattr(engine.ordering, "languages", (before.language,))[0]
    spliced = [_spliced(decoding, before, edit, made, language) for made in begun]
    frame_rate = pipeline.codec.frame_rate
    start, behind = len(before.codes), round(SEEN * frame_rate)
    said = row_log_probabilities(engine, spliced)
    scores = []
    for whole, (log_probabilities, frames) in zip(spliced, said, strict=True):
        stop = min(whole.frames, whole.frames - len(edit.behind.codes) + behind)
        scores.append(np.nanmean(log_probabilities[_between(frames, start, stop)]))
    best = int(np.argmax(scores))
    whole = spliced[best]
    return _as_speech(pipeline, decoding, request, whole, start, said[best]), seed + best


def _before(prompt: Utterance, request: Request, tokens: Tokens) -> Utterance:
    """The prompt, and behind it what is kept before the edit."""
    edit, books = request.edit, request.edit.before.codes.shape[1]
    prompt = replace(prompt, codes=prompt.codes[:, :books])
    if not edit.first:
        return prompt
    phones = tokens.encode(request.phones[: edit.first], f"text {request.text!r}")
    words = np.array(request.said.word_of_phone[: edit.first], np.int32)
    own = replace(prompt, phones=phones, word_of_phone=words, durations=edit.before.durations, codes=edit.before.codes)
    return join([prompt, own])


def _rest(before: Utterance, request: Request, tokens: Tokens, lookahead: int) -> tuple[DecodingRequest, Request]:
    """How what is new is decoded, and what stands behind it with it."""
    edit, said = request.edit, request.said
    owners = np.array(said.word_of_phone[edit.first :], np.int32)
    spoken = max((owner for owner in said.word_of_phone[: edit.first]), default=NONE) + 1
    owners = np.where(owners >= 0, owners - spoken, owners)
    phones = tokens.encode(said.phones[edit.first :], f"text {request.text!r}")
    decoding = cross_sentence(f"edit {' '.join(said.words)}", before, phones, owners, tokens)
    decoding = replace(decoding, language=request.language)
    durations = edit.behind.durations
    begins = np.cumsum(durations) - durations
    as_short = (np.array(said.word_of_phone[edit.last :]) >= 0).astype(np.int32)
    settled = lookahead + SETTLED * tokens.stats["frame_rate"]
    frames = np.where(begins < settled, np.maximum(durations, as_short), as_short)
    new = slice(edit.first, edit.last)
    asked = Request(
        request.text,
        Phones(said.phones[edit.first :], owners.tolist(), said.words[spoken:]),
        np.concatenate([request.rate[new], np.ones(len(frames))]),
        np.concatenate([request.least[new], frames]),
        np.concatenate([request.most[new], frames]),
    )
    return decoding, asked


def _spliced(decoding: DecodingRequest, before: Utterance, edit: Edit, made: Begun, language: str) -> Utterance:
    """Prompt and part with one reading of what is new in its place; codes (T, C) of the AR model's codebooks.

    language: where the request names none.
    """
    start, count, books = len(before.codes), len(before.phones), made.codes.shape[1]
    new = durations_after(made.durations, start)[count : count + edit.last - edit.first]
    end = start + int(new.sum())
    return Utterance(
        "edit",
        before.speaker,
        decoding.language or language,
        decoding.phones,
        decoding.word_of_phone,
        np.concatenate([before.durations, new, edit.behind.durations]).astype(np.int32),
        np.concatenate([before.codes[:, :books], made.codes[start:end], edit.behind.codes[:, :books]]),
    )


@torch.inference_mode()
def row_log_probabilities(engine: Engine, utterances: Sequence[Utterance]) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each utterance, for its L token rows: (L,) natural logarithm of the probability that the AR model gives a row
    after those before it, NaN where it predicts none; and (L,) the frame that stands there, NONE where none does."""
    rows = [engine.ordering.arrange(utterance) for utterance in utterances]
    device = engine.device
    ids, positions, targets = (
        torch.from_numpy(np.concatenate([getattr(one, name) for one in rows]).astype(np.int64)).to(device)
        for name in ("ids", "positions", "targets")
    )
    model = engine.model
    hidden = model(ids, positions, [len(one) for one in rows], [one.prefix_len for one in rows])
    logits = model.logits(hidden, targets).float().log_softmax(-1)  # (R, S, O)
    columns = model.column[targets.clamp(min=0)].clamp(min=0)
    each = logits.gather(-1, columns[..., None]).squeeze(-1).masked_fill(targets < 0, 0.0).sum(-1)
    each = each.masked_fill((targets < 0).all(-1), float("nan")).double().cpu().numpy()
    found, begin = [], 0
    for one in rows:
        said = np.concatenate([[np.nan], each[begin : begin + len(one) - 1]])
        found.append((said, one.frames.max(axis=1)))
        begin += len(one)
    return found


def _between(frames: np.ndarray, start: int, stop: int) -> slice:
    """The rows from frame `start` up to frame `stop`, with the triggers among them."""
    inside = np.flatnonzero((frames >= start) & (frames < stop))
    return slice(int(inside[0]), int(inside[-1]) + 1)


def _as_speech(
    pipeline: Pipeline,
    decoding: DecodingRequest,
    request: Request,
    whole: Utterance,
    start: int,
    said: tuple[np.ndarray, np.ndarray],
) -> Speech:
    """The part with all codebooks and its sound. start: frame at which what is new begins."""
    edit, phones = request.edit, request.phones
    made = Begun(None, whole.codes, whole.durations)
    codes, vectors, by_nar = made.codes, None, None
    if pipeline.nar is not None:
        codes, vectors, by_nar = pipeline.complete([decoding], [made], True)[0]
    end = whole.frames - len(edit.behind.codes)
    codes = np.concatenate([edit.before.codes, codes[start:end], edit.behind.codes])
    if vectors is not None:
        vectors = np.concatenate([edit.before.vectors, vectors[start:end], edit.behind.vectors])
    sure = None
    if edit.before.sure is not None:
        log_probabilities, frames = said
        sure = log_probabilities[(frames >= start) & (frames < end)]
        if by_nar is not None:
            sure = sure + by_nar[: end - start] / (pipeline.nar.codebooks - pipeline.nar.known)
        sure = np.concatenate([edit.before.sure, sure, edit.behind.sure])
    wav = pipeline.sound([codes if vectors is None else vectors])[0]
    count = len(phones)
    seconds = round(len(codes) / pipeline.codec.frame_rate, 4)
    facts = {"frames": len(codes), "phones": count, "audio_seconds": seconds, "cuts": 0, "hit_bound": False}
    if sure is not None:
        facts |= {"confidence": float(sure.mean()), "ar_confidence": None, "nar_confidence": None}
    durations, owners = whole.durations[-count:], np.array(request.said.word_of_phone, np.int32)
    return Speech(decoding.id, codes, wav, decoding.phones[-count:], owners, durations, facts, vectors, sure)
