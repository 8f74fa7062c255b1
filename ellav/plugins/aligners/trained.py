"""An aligner that learns from the corpus itself: any language, any phones, no outside model."""

from __future__ import annotations

import json
import math
import random
from functools import cached_property
from pathlib import Path

import numpy as np

from ellav.errors import UserError, one_line
from ellav.plugins.aligners import ANY, Alignment, AlignmentError, Recording, aligners
from ellav.plugins.aligners.features import HOP, RATE, WIDTH, features
from ellav.plugins.aligners.gmm import ABSENT, Mixtures, learn
from ellav.plugins.aligners.hmm import STATES, Chain, best_paths, chain
from ellav.plugins.text import Phones
from ellav.types import SILENCE
from ellav.weights import LARGEST, read_header, read_weights

STRETCH = 100
"""Frames, half a second, over which a score is judged."""
LOW = 1.0
"""`least_score` is twice as far below the training utterances' median as this percentile of theirs:
speakers that were not learned from score lower."""
ABOUT = "trained"
"""Of the file's metadata, the entry that holds the phones and the least score."""
PARTS = ("centre", "scale", "means", "variances", "weights")


@aligners.register("trained")
class Trained:
    """Hidden Markov models of the corpus's own phones, on a grid of 5 ms.

    Learned in stage 3 (`ellav fit-aligner`) from the recordings and their phones alone: three
    states a phone, up to eight Gaussians a state. Silence may be left out at `sp` and may stand
    between words. A score is relative to the likeliest state of each frame, and that of the
    worst half second.

    model: what was learned; `ellav fit-aligner` makes it where none is named. minutes: of speech
    to learn from, at most, whole utterances at random.
    """

    phone_sets = (ANY,)
    sample_rate = RATE

    def __init__(self, model: Path | None = None, minutes: float = 30.0):
        if minutes <= 0:
            raise ValueError(f"minutes must be above 0, not {minutes:g}")
        self.model, self.minutes = model, minutes

    @property
    def least_score(self) -> float:
        """Below what the training utterances score, with room for other speakers."""
        return self._learned[2]

    def align(self, wav: np.ndarray, phones: Phones) -> Alignment:
        """wav: (samples,) float32 at 16 kHz. Raises AlignmentError if it does not fit."""
        mixtures, numbers, _ = self._learned
        return align(mixtures, numbers, wav, phones)

    def fit(self, recordings: dict[str, Recording], folder: Path) -> dict[str, Path]:
        """Learn from `recordings` and write folder/trained.safetensors. A model that was named is kept."""
        if self.model is not None:
            return {}
        from safetensors.numpy import save_file

        chosen = choose(recordings, 60 * self.minutes)
        numbers = {symbol: number for number, symbol in enumerate(sorted(_symbols(chosen)), 1)}
        rows, chains, kept = [], [], []
        for recording in chosen:
            found, its_chain = features(read(recording.wav)), chain(recording.phones, numbers)
            if len(found) >= its_chain.shortest and np.isfinite(found).all():
                rows.append(found)
                chains.append(its_chain)
                kept.append(recording)
        if not rows or not numbers:
            raise UserError(f"aligner trained: none of {len(recordings)} utterances is as long as its phones need")
        mixtures = learn(rows, chains, len(numbers) * STATES + 1)
        scores = [way(mixtures, *pair)[1] for pair in zip(rows, chains, strict=True)]
        middle, low = np.percentile(scores, [50, LOW])
        path = folder / "trained.safetensors"
        # One entry: several would be written in an order that changes from run to run.
        about = json.dumps({"phones": list(numbers), "least_score": round(float(2 * low - middle), 4)})
        save_file({name: np.ascontiguousarray(getattr(mixtures, name)) for name in PARTS}, path, {ABOUT: about})
        return {"model": path}

    @cached_property
    def _learned(self) -> tuple[Mixtures, dict[str, int], float]:
        if self.model is None:
            raise UserError(
                "aligner trained: no model; train one with `ellav fit-aligner` (stage 3), or name one with"
                " --aligner-conf model=FILE"
            )
        return load(self.model)


def align(mixtures: Mixtures, numbers: dict[str, int], wav: np.ndarray, phones: Phones) -> Alignment:
    """numbers: phone -> its number. Raises AlignmentError if the audio does not fit."""
    if not np.isfinite(wav).all():
        raise AlignmentError("the audio holds values that are not numbers")
    unknown = next((symbol for symbol in phones.phones if symbol != SILENCE and symbol not in numbers), None)
    if unknown is not None:
        raise AlignmentError(f"phone {unknown!r} was not among those that the aligner learned from")
    spoken = sum(symbol != SILENCE for symbol in phones.phones)
    if not spoken:
        raise AlignmentError("no phones to align")
    its_chain, found = chain(phones, numbers), features(wav)
    if len(found) < its_chain.shortest:
        raise AlignmentError(f"{len(wav) / RATE:.2f} s of audio are too short for {spoken} phones")
    path, score = way(mixtures, found, its_chain)
    # A phone's end is where the next one begins; a silence that was left out ends with the phone before.
    counts = np.bincount(its_chain.phone[path], minlength=len(phones.phones))
    ends = np.cumsum(counts) * HOP / RATE
    ends[np.flatnonzero(counts)[-1] :] = len(wav) / RATE
    unwritten = (its_chain.state[path] == 0) & (np.array(phones.phones)[its_chain.phone[path]] != SILENCE)
    pauses = np.bincount(its_chain.phone[path[unwritten]], minlength=len(phones.phones)) * HOP / RATE
    return Alignment(ends, score, pauses)


def way(mixtures: Mixtures, rows: np.ndarray, its_chain: Chain) -> tuple[np.ndarray, float]:
    """The place in the chain at every frame of features (T, D), and the score."""
    likelihoods, _ = mixtures.likelihoods(rows)
    (path,) = best_paths([likelihoods], [its_chain])
    lost = likelihoods[np.arange(len(path)), its_chain.state[path]] - likelihoods.max(axis=1)
    sums = np.concatenate([[0.0], np.cumsum(lost, dtype=np.float64)])
    length = min(STRETCH, len(lost))
    return path, float((sums[length:] - sums[:-length]).min() / length)


def choose(recordings: dict[str, Recording], seconds: float) -> list[Recording]:
    """Recordings in random order, until they last for `seconds`."""
    order = sorted(recordings)
    random.Random(0).shuffle(order)
    chosen, total = [], 0.0
    for utterance in order:
        if total >= seconds:
            break
        chosen.append(recordings[utterance])
        total += recordings[utterance].seconds
    return chosen


def read(path: Path) -> np.ndarray:
    """(samples,) float32 at RATE."""
    import soundfile as sf
    import soxr

    try:
        wav, rate = sf.read(str(path), dtype="float32", always_2d=True)
    except (sf.LibsndfileError, OSError) as error:
        raise UserError(f"{path}: not readable ({error}); rerun stage 2") from None
    wav = wav.mean(axis=1)
    return wav if rate == RATE else soxr.resample(wav, rate, RATE).astype(np.float32)


def load(path: Path) -> tuple[Mixtures, dict[str, int], float]:
    """What `fit` wrote: densities, phone -> number, least score. Raises UserError where it does not fit."""
    remedy = "make it with `ellav fit-aligner`"
    header = read_header(path, remedy)
    try:
        about = json.loads(header.metadata[ABOUT])
        symbols, least = about["phones"], float(about["least_score"])
        if not isinstance(symbols, list) or not all(isinstance(symbol, str) for symbol in symbols):
            raise TypeError("its phones are no list of words")
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no model of the aligner trained ({one_line(error, 200)}); {remedy}") from None
    _, of_weights = header.tensors.get("weights", ("", ()))
    states, components = len(symbols) * STATES + 1, of_weights[-1] if of_weights else 0
    shapes = {"centre": (WIDTH,), "scale": (WIDTH,), "weights": (states, components)}
    shapes |= {name: (states, components, WIDTH) for name in ("means", "variances")}
    parts = read_weights(path, shapes, remedy, framework="numpy", types=("F32",), largest=-2 * ABSENT)
    sizes = [np.abs(part).max(initial=0) for name, part in parts.items() if name != "weights"]
    least_spread = min(parts[name].min(initial=1) for name in ("variances", "scale"))
    if not components or not math.isfinite(least) or max(sizes) > LARGEST or least_spread < 1e-6:
        raise UserError(f"{path}: no model of the aligner trained; {remedy}")
    return Mixtures(**{name: parts[name] for name in PARTS}), {s: n for n, s in enumerate(symbols, 1)}, least


def _symbols(recordings: list[Recording]) -> set[str]:
    return {symbol for recording in recordings for symbol in recording.phones.phones} - {SILENCE}
