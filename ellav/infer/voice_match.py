"""The voice of a prompt, nearer: what the NAR model misses of it on the average, measured on the prompt itself.

Of a voice that it never heard in training a NAR model takes less than there is: what it tells lies, on the average over
a few seconds, between the prompt's voice and those that it knows. Of the prompt both are known, what it sounds like and
what the model makes of it. So the model completes codebook 1 of each half of the prompt after the other half, and the
mean of what the prompt's own codes stand for, less that of what was told, is what is missing. It is one vector, and no
matter of training: added to each frame that is told after the prompt, it moves the voice and leaves the words.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import torch

from ellav.models.nar import Mixing, NARInput, NARModel
from ellav.plugins.codecs.code_vectors import sums_of_vectors
from ellav.types import DecodingRequest, Utterance

ENOUGH = 1.0
"""Seconds of speech of which a mean is to be trusted; of less, that much less of it is added."""

_KEPT = 256
"""Voices that are remembered."""


class VoiceMatch:
    """share: of what is missing, how much is added; 0 is nothing, 1 all. silence: the id of the phone that does not
    count, -1 for none. most: frames of a prompt that the NAR model is given at most, None for all. enough: frames with
    speech in them from which on all of the share is added, of fewer in proportion."""

    def __init__(
        self, nar: NARModel, mixing: Mixing, share: float, silence: int, most: int | None = None, enough: int = 1
    ):
        self.nar, self.mixing, self.share, self.silence = nar, mixing, share, silence
        self.most, self.enough = most, enough
        self._kept: OrderedDict[tuple, np.ndarray] = OrderedDict()

    def missed(self, voices: Sequence[Utterance]) -> list[np.ndarray]:
        """(D,) float32 to be added to what is told in each voice: zeros where it says nothing but silence, or there
        are no two halves (`halves_of`)."""
        keys = [_key(voice) for voice in voices]
        new = {key: voice for key, voice in zip(keys, voices, strict=True) if key not in self._kept}
        self._kept.update(zip(new, self._measured(list(new.values())), strict=True))
        found = [self._kept[key] for key in keys]
        for key in keys:
            self._kept.move_to_end(key)
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)
        return found

    def _measured(self, voices: list[Utterance]) -> list[np.ndarray]:
        vectors = self.mixing.vectors
        halves = [halves_of(voice, self.nar, self.most) for voice in voices]
        items = [item for some in halves for item, _ in some]
        told = iter(self.nar.complete(items, self.mixing)) if items else iter(())
        made = []
        for voice, some in zip(voices, halves, strict=True):
            gaps = [np.zeros((0, vectors.shape[2]), np.float32)]
            for item, frames in some:
                codes = torch.from_numpy(voice.codes[frames].astype(np.int64)).to(vectors.device)
                own = sums_of_vectors(vectors, codes).cpu().numpy()  # (n, D)
                gap = own - next(told).vectors[len(item.prompt) :]
                spoken = np.repeat(voice.phones, voice.durations)[frames] != self.silence
                gaps.append(gap[spoken])
            every = np.concatenate(gaps)
            made.append((self.share * every.sum(axis=0) / max(len(every), self.enough)).astype(np.float32))
        return made


def recording_of(request: DecodingRequest) -> Utterance:
    """Whose voice is asked for: `request.voice`, or else the prompt as the request has it."""
    if request.voice is not None:
        return request.voice
    known = len(request.durations)
    phones, words = request.phones[:known], request.word_of_phone[:known]
    return Utterance(request.id, "", request.language, phones, words, request.durations, request.codes)


def halves_of(voice: Utterance, nar: NARModel, most: int | None) -> list[tuple[NARInput, slice]]:
    """Each half of a voice's frames, to be completed after the other half, and which frames these are; nothing where
    there are no two halves or no durations. Of a long voice only the end, halves of no more than `most` frames."""
    frames = len(voice.codes)
    if voice.durations is None or frames < 2:
        return []
    start = 0 if most is None else max(0, frames - 2 * most)
    middle = (start + frames) // 2
    parts = [slice(start, middle), slice(middle, frames)]
    made = []
    for before, after in (parts, parts[::-1]):
        said = [phones_between(voice.phones, voice.durations, part.start, part.stop) for part in (before, after)]
        phones, durations = (np.concatenate(some) for some in zip(*said, strict=True))
        known = np.concatenate([voice.codes[before], voice.codes[after]])[:, : nar.known]
        made.append((NARInput(phones, durations, known, voice.codes[before, : nar.codebooks]), after))
    return made


def phones_between(phones: np.ndarray, durations: np.ndarray, start: int, end: int) -> tuple[np.ndarray, np.ndarray]:
    """The phones that are spoken from frame `start` up to `end`, and how many of these frames each has."""
    ends = np.cumsum(durations)
    first, last = int(np.searchsorted(ends, start, side="right")), int(np.searchsorted(ends, end, side="left")) + 1
    inside = np.diff(np.minimum(ends[first:last], end), prepend=start)
    return phones[first:last], inside.astype(np.int32)


def _key(voice: Utterance) -> tuple:
    durations = b"" if voice.durations is None else np.asarray(voice.durations, np.int64).tobytes()
    return voice.codes.shape, voice.codes.tobytes(), np.asarray(voice.phones, np.int64).tobytes(), durations
