"""Which utterances of a test set are decoded, and what each is spoken after: the papers' two ways of testing.

Continuation (VALL-E, arXiv 2301.02111, section 5.3): the rest of an utterance after its own beginning.
Cross-sentence: an utterance's text after another utterance of its speaker, or a part of it.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ellav.data.dataset import Dataset, Tokens
from ellav.data.joins import part
from ellav.data.kaldi import invert, read_table
from ellav.data.shards import tables_of
from ellav.errors import UserError, option_of
from ellav.infer.requests import continuation, cross_sentence
from ellav.types import DecodingRequest, Utterance

CONTINUED_SECONDS = 3.0
LEAST_CONTINUED_SECONDS = 4.0
"""Shorter utterances are not continued, as in the papers."""
TABLES = ("targets", "utt2prompt")
"""Of a test set's data folder: the utterances to decode, and what each is spoken after; both may be left out."""


class Prompt(NamedTuple):
    """An utterance of the set, or what lies between two seconds of its recording."""

    utterance: str
    start: float = 0.0
    end: float = math.inf


class Request(NamedTuple):
    """What to decode. span: the seconds of the prompt's recording that are given, None for all of it."""

    decode: DecodingRequest
    prompt: str
    span: tuple[float, float] | None


def add_options(made: argparse.ArgumentParser) -> None:
    """The options that `requests_of` reads."""
    made.add_argument("--raw", type=Path, help="data folder of the set; its `targets` and `utt2prompt` are followed")
    made.add_argument(
        "--mode",
        default="cross-sentence",
        choices=["cross-sentence", "continuation"],
        help="speak after another utterance of the speaker, the one before unless utt2prompt names one, or continue"
        " the utterance's own beginning",
    )
    made.add_argument(
        "--prompt-seconds",
        type=float,
        help=f"length of the prompt: the beginning that is continued ({CONTINUED_SECONDS:g}), or at most so much of"
        " the beginning of the other utterance (all of it)",
    )
    made.add_argument(
        "--least-seconds",
        type=float,
        help=f"leave shorter utterances out ({LEAST_CONTINUED_SECONDS:g} in continuation, as in the papers)",
    )
    made.add_argument("--most-seconds", type=float, help="leave longer utterances out")
    made.add_argument("--limit", type=int, help="decode only the first so many utterances")


def requests_of(dataset: Dataset, tokens: Tokens, options: argparse.Namespace) -> list[Request]:
    """What to decode, in the order of the set. Prints what is left out, and why."""
    rate = tokens.stats["frame_rate"]
    for name in ("prompt_seconds", "least_seconds", "most_seconds"):
        if getattr(options, name) is not None and getattr(options, name) <= 0:
            raise UserError(f"{option_of(name)} must be above 0, not {getattr(options, name):g}")
    least = options.least_seconds
    if least is None:
        least = LEAST_CONTINUED_SECONDS if options.mode == "continuation" else 0.0
    most = math.inf if options.most_seconds is None else options.most_seconds
    wanted = _targets(dataset, options.raw)
    lengths = np.asarray(dataset.lengths)[wanted] / rate
    fitting = wanted[(lengths >= least) & (lengths <= most)]
    if options.mode == "continuation":
        made = _continuations(dataset, tokens, fitting, options.prompt_seconds or CONTINUED_SECONDS)
    else:
        longest = math.inf if options.prompt_seconds is None else options.prompt_seconds
        made = _cross_sentences(dataset, tokens, fitting, _prompts(dataset, options.raw), longest)
    limit = len(wanted) if options.limit is None else options.limit
    requests = list(islice(made, limit))
    if len(requests) < min(limit, len(wanted)):
        print(f"{dataset.folder}: {len(requests)} of {len(wanted)} utterances are decoded in mode {options.mode}")
    return requests


def _targets(dataset: Dataset, raw: Path | None) -> np.ndarray:
    """Indices of the utterances that are to be decoded."""
    if raw is None or not tables_of(raw / "targets"):
        return np.arange(len(dataset))
    named = read_table(raw / "targets")
    found = np.array([i for i, utterance in enumerate(dataset.ids) if utterance in named], dtype=np.int64)
    if not len(found):
        raise UserError(f"{raw / 'targets'}: none of its utterances is in {dataset.folder}")
    if len(found) < len(named):
        print(f"{raw / 'targets'}: {len(named) - len(found)} of {len(named)} are not in {dataset.folder}: set aside")
    return found


def _continuations(dataset: Dataset, tokens: Tokens, chosen: np.ndarray, seconds: float) -> Iterator[Request]:
    """The utterances that say something after the first `seconds`."""
    frames = round(seconds * tokens.stats["frame_rate"])
    for i in chosen.tolist():
        target = dataset[i]
        made = continuation(target, frames, tokens, dataset.pauses(i))
        if made is not None:
            yield Request(replace(made, language=target.language), made.id, _span(dataset, i, 0, frames))


def _cross_sentences(
    dataset: Dataset, tokens: Tokens, chosen: np.ndarray, prompts: dict[str, Prompt], longest: float
) -> Iterator[Request]:
    index = {utterance: i for i, utterance in enumerate(dataset.ids)}
    for i in chosen.tolist():
        target = dataset[i]
        prompt = prompts.get(target.id)
        if prompt is None:
            print(f"{target.id}: left out, its speaker has no other utterance to prompt with")
            continue
        at = index.get(prompt.utterance)
        if at is None:
            print(f"{target.id}: left out, its prompt {prompt.utterance} was set aside or is not in the set")
            continue
        given, span = _given(dataset, at, prompt, longest)
        # Where the recording pauses is no part of the text.
        phones, words = (np.delete(row, dataset.pauses(i)) for row in (target.phones, target.word_of_phone))
        made = cross_sentence(target.id, given, phones, words, tokens)
        yield Request(replace(made, language=target.language), prompt.utterance, span)


def _given(dataset: Dataset, at: int, prompt: Prompt, longest: float) -> tuple[Utterance, tuple[float, float] | None]:
    """What of the prompt's utterance is given: whole phones, those with their middle in the part that is asked for."""
    rate, utterance = dataset.tokens.stats["frame_rate"], dataset[at]
    cut_off = dataset.cut_off(at)
    start = max(0, round(prompt.start * rate) - cut_off)
    end = min(len(utterance.codes), prompt.end * rate - cut_off, start + longest * rate)
    if start == 0 and end == len(utterance.codes):
        return utterance, None
    try:
        given, first = part(utterance, start, round(end))
    except ValueError as error:
        raise UserError(f"prompt {' '.join(map(str, prompt))}: {error}; name another part in utt2prompt") from None
    return given, _span(dataset, at, first, first + len(given.codes))


def _span(dataset: Dataset, at: int, first: int, end: int) -> tuple[float, float]:
    """Seconds of the recording that hold the frames from `first` up to `end` of an utterance."""
    rate, cut_off = dataset.tokens.stats["frame_rate"], dataset.cut_off(at)
    return round((cut_off + first) / rate, 4), round((cut_off + end) / rate, 4)


def _prompts(dataset: Dataset, raw: Path | None) -> dict[str, Prompt]:
    """Utterance -> its prompt: of `utt2prompt` (`TARGET PROMPT [START END]`) where the set has one, otherwise the
    speaker's utterance before it, and the last one for the first (VALL-E 2, arXiv 2406.05370, section 4.1)."""
    if raw is not None and tables_of(raw / "utt2prompt"):
        path = raw / "utt2prompt"
        return {target: _prompt(line.split(), f"{path}: {target!r}") for target, line in read_table(path).items()}
    table = {}
    for utterances in invert(dict(zip(dataset.ids, dataset.speakers, strict=True))).values():
        if len(utterances) > 1:
            before = map(Prompt, [utterances[-1], *utterances[:-1]])
            table.update(zip(utterances, before, strict=True))
    return table


def _prompt(fields: list[str], where: str) -> Prompt:
    try:
        if len(fields) == 1:
            return Prompt(fields[0])
        utterance, start, end = fields[0], *map(float, fields[1:])
        if not 0 <= start < end < math.inf:
            raise ValueError
    except (ValueError, TypeError):
        raise UserError(f"{where}: {' '.join(fields)!r} is not PROMPT, or PROMPT START END in seconds") from None
    return Prompt(utterance, start, end)
