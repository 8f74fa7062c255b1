"""Silence that is longer than a model can speak: what is lacking is put in between parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ellav.infer.asked import Request
from ellav.plugins.text import Phones
from ellav.types import NONE


def at_long_silences(request: Request, longest: float, frame_rate: float) -> list[Request]:
    """A request in as many as it takes for none to speak more than `longest` seconds of silence at a time.

    The rest of a longer one is due between them, before the first and after the last, and spoken by nobody. Where
    `longest` is 0 the model cannot be told how long silence lasts: it makes of it what it likes, and no less is due.
    """
    silent, most = np.array(request.said.word_of_phone) < 0, int(longest * frame_rate)
    long = np.flatnonzero(silent & (request.least > most))
    last = len(request.phones) - 1
    seconds = {int(place): request.least[place] / frame_rate for place in long}
    cuts = [0, *(int(place) for place in long if 0 < place < last), last]
    found = []
    for begin, end in pairwise(cuts):
        part = _part(request, begin, end + 1) if len(cuts) > 2 else request
        least, most_frames = part.least.copy(), part.most.copy()
        for place, here in ((begin, 0), (end, -1)):
            if place in seconds:
                inside = 0 < place < last
                least[here] = most_frames[here] = (most + (here < 0)) // 2 if inside else most
        if not longest:
            least[silent[begin : end + 1]] = most_frames[silent[begin : end + 1]] = NONE
        pause = seconds.get(end, request.pause if end == last else 0.0)
        lead = seconds.get(0, request.lead) if begin == 0 else 0.0
        found.append(replace(part, least=least, most=most_frames, lead=lead, pause=pause))
    return found


def _part(request: Request, begin: int, end: int) -> Request:
    """Phones `begin` up to `end`, whole words of them."""
    said = request.said
    owners = said.word_of_phone[begin:end]
    first = min(owner for owner in owners if owner >= 0)
    words = said.words[first : max(owners) + 1]
    own = Phones(said.phones[begin:end], [owner - first if owner >= 0 else owner for owner in owners], words)
    bounds = (row[begin:end] for row in (request.rate, request.least, request.most))
    return replace(request, **dict(zip(("rate", "least", "most"), bounds, strict=True)), text=" ".join(words), said=own)
