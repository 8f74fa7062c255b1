"""Forced alignment with pocketsphinx: an English acoustic model in its wheel, no download."""

from __future__ import annotations

import math

import numpy as np

from ellav.plugins.aligners import Alignment, AlignmentError, aligners
from ellav.plugins.text import Phones
from ellav.types import SILENCE

FRAME = 0.01  # s, step of its feature frames
MIDDLE = 0.0075  # s, by which a frame's window of 25 ms reaches, on either side, past its step
KNOWN = set(
    "AA AE AH AO AW AY B CH D DH EH ER EY F G HH IH IY JH K L M N NG OW OY P R S SH T TH UH UW V W Y Z ZH".split()  # noqa: SIM905
)
SCORE_UNIT = 1024 * math.log(1.0001)
"""Its acoustic scores are logarithms to the base 1.0001, shifted by 10 bits, of likelihoods over the likeliest
state's: a score of 0 is the best that any transcript could have."""
STRETCH = 50
"""Frames over which a score is judged. Over all frames it misses words that are few; measured, half a second
tells more wrong transcripts than a second at as few false alarms."""


@aligners.register("pocketsphinx")
class PocketSphinx:
    """Aligns ARPAbet phones, stress ignored, on a grid of 10 ms.

    A wrong transcript often does not align at all; where it does, the score tells it: that of
    the worst half second, silences included, since speech that the transcript lacks is taken
    for silence. gaussians: how many densities of each state are evaluated, 1 to 4; fewer are
    faster and do not hurt on clean speech. most_words: pronunciations to keep before its
    dictionary is emptied.
    """

    phone_sets = ("arpabet-stress", "arpabet")
    sample_rate = 16000
    least_score = -5.0
    """Below it, or not aligned at all, were: of true transcripts 0 of 63 on the mini corpus and 1 of 60 on
    LibriSpeech readers (6 s each, transcripts as pocketsphinx itself recognised them, so they are kindly judged);
    of another sentence's 63 of 63 and 60 of 60; with the last third of the words missing 63 and 57, with the
    first half missing 62 and 59, with the last third replaced 63 and 60, with one word replaced 53 and 47."""

    def __init__(self, gaussians: int = 2, most_words: int = 20000):
        if not 1 <= gaussians <= 4:
            raise ValueError(f"gaussians must be 1 to 4, not {gaussians}")
        self.gaussians = gaussians
        self.most_words = most_words
        self._decoder = None
        self._words: set[str] = set()

    def align(self, wav: np.ndarray, phones: Phones) -> Alignment:
        """wav: (samples,) float32 at 16 kHz. Raises AlignmentError if it does not fit."""
        if not np.isfinite(wav).all():
            raise AlignmentError("the audio holds values that are not numbers")
        words, places = _by_word(phones)
        spoken = sum(map(len, words))
        if not words:
            raise AlignmentError("no phones to align")
        if len(wav) < 3 * FRAME * self.sample_rate * spoken:
            raise AlignmentError(f"{len(wav) / self.sample_rate:.2f} s of audio are too short for {spoken} phones")
        found, scores = self._decode(wav, words)
        ends, pauses = np.full(len(phones.phones), -1.0), np.zeros(len(phones.phones))
        for place, (_, parts) in zip(places, found, strict=True):
            # What lies between two words is silence: of the `sp` there, else of the phone before.
            if place[0] > 0:
                before, start = place[0] - 1, parts[0][0] * FRAME + MIDDLE
                if phones.phones[before] != SILENCE:
                    pauses[before] = start - ends[before]
                ends[before] = start
            for index, (start, length) in zip(place, parts, strict=True):
                ends[index] = (start + length) * FRAME + MIDDLE
        duration = len(wav) / self.sample_rate
        ends[-1] = duration
        previous = 0.0
        for index, end in enumerate(ends):
            previous = ends[index] = min(max(end, previous), duration)
        pauses = np.minimum(pauses, np.diff(ends, prepend=0))
        return Alignment(ends, lowest_mean(scores, STRETCH), pauses)

    def _decode(
        self, wav: np.ndarray, words: list[list[str]]
    ) -> tuple[list[tuple[str, list[tuple[int, int]]]], np.ndarray]:
        """For each word its name and (first frame, frames) of each of its phones; the score of every frame."""
        decoder = self._ready()
        # A word is named by its pronunciation, so homographs are told apart and the
        # dictionary grows with the vocabulary only.
        names = ["_".join(word) for word in words]
        for name, word in zip(names, words, strict=True):
            if name not in self._words:
                decoder.add_word(name, " ".join(word), False)
                self._words.add(name)
        samples = (np.clip(wav, -1, 1) * 32767).astype(np.int16).tobytes()
        try:
            decoder.set_align_text(" ".join(names))
            self._run(samples)
            if decoder.hyp() is None:
                raise AlignmentError("the audio does not fit the text")
            decoder.set_alignment()
            self._run(samples)
        except RuntimeError as error:
            raise AlignmentError(f"the audio does not fit the text ({error})") from error
        entries = [
            (entry.name, [(part.start, part.duration, part.score) for part in entry])
            for entry in decoder.get_alignment() or ()
        ]
        found = [(name, [part[:2] for part in parts]) for name, parts in entries if name in self._words]
        if [name for name, _ in found] != names:
            raise AlignmentError(f"only {len(found)} of {len(names)} words were found in the audio")
        parts = [(length, score) for _, parts in entries for _, length, score in parts]
        lengths, scores = np.array(parts, float).T
        return found, np.repeat(scores / np.maximum(lengths, 1) * SCORE_UNIT, lengths.astype(int))

    def _run(self, samples: bytes) -> None:
        self._decoder.reinit_feat()  # else its noise tracking carries over from what it heard before
        self._decoder.start_utt()
        self._decoder.process_raw(samples, full_utt=True)
        self._decoder.end_utt()

    def _ready(self):
        if self._decoder is None or len(self._words) > self.most_words:
            import pocketsphinx

            self._words = set()
            # Its usual odds of a silence, 0.005, lose the short ones at the end of sentences.
            options = {"silprob": 0.5, "topn": self.gaussians, "bestpath": False, "loglevel": "FATAL"}
            self._decoder = pocketsphinx.Decoder(lm=None, dict=None, **options)
        return self._decoder


def lowest_mean(scores: np.ndarray, length: int) -> float:
    """The lowest mean of `length` neighbours of `scores` (T,), or the mean of all where there are fewer."""
    if len(scores) <= length:
        return float(scores.mean())
    sums = np.concatenate([[0.0], np.cumsum(scores)])
    return float((sums[length:] - sums[:-length]).min() / length)


def _by_word(phones: Phones) -> tuple[list[list[str]], list[list[int]]]:
    """Each word's phones without stress, and their indices."""
    words: list[list[str]] = []
    places: list[list[int]] = []
    last = None
    for index, (phone, word) in enumerate(zip(phones.phones, phones.word_of_phone, strict=True)):
        if phone == SILENCE:
            continue
        plain = phone.rstrip("012")
        if plain not in KNOWN:
            raise AlignmentError(f"phone {phone!r} is none of ARPAbet's 39")
        if word != last:
            words.append([])
            places.append([])
            last = word
        words[-1].append(plain)
        places[-1].append(index)
    return words, places
