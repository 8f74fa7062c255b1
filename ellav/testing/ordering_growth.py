"""Laws of orderings that speak a text while it grows: each script begins the next one, and the whole one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from ellav.plugins.orderings import Ordering
from ellav.testing.contract import demand, law
from ellav.testing.ordering_scripts import request_at
from ellav.testing.utterances import show
from ellav.types import DecodingRequest, Utterance


def growing_at(utterance: Utterance, cut: int, known: int) -> DecodingRequest:
    """What `request_at` asks for, while only the first `known` phones are known.

    Raises ValueError where these hold no phone that goes on after the prompt.
    """
    request = request_at(utterance, cut)
    if known <= len(request.durations) - request.open:
        raise ValueError(f"{known} phones end with the prompt")
    phones, words, least, most = (
        row[:known] for row in (request.phones, request.word_of_phone, request.least, request.most)
    )
    frames = int(most[len(request.durations) - request.open :].sum())
    return replace(request, phones=phones, word_of_phone=words, least=least, most=most, max_frames=frames, more=True)


@law(
    "the scripts of a growing text begin the script of the whole",
    "Where `request.more`, leave out the segments whose rows, least or most depend on phones to come, count by phone, "
    "close nothing and set `more`; or set `grows` to False.",
    show,
)
def growing_texts_begin_the_whole(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """So what is decoded of a beginning is what is decoded of the whole, whatever follows."""
    if not getattr(ordering, "grows", False):
        return
    whole = request_at(utterance, cut)
    first = len(whole.durations) - whole.open + 1
    scripts = [ordering.script(growing_at(utterance, cut, known)) for known in range(first, len(whole.phones) + 1)]
    scripts.append(ordering.script(whole))
    for known, (script, longer) in enumerate(pairwise(scripts), first):
        what = f"with {known} of {len(whole.phones)} phones known"
        demand(script.more, f"{what} and more to come, the script does not say `more`")
        field = script.departs(longer)
        demand(field is None, f"`{field}` of the script {what} does not begin that of the phones after it")
    demand(not scripts[-1].more, "the script of the whole says `more`")


@law(
    "a growing text can be heard while it grows",
    "Give it `restore_begun` with durations, or set `grows` to False.",
    show,
)
def growing_texts_are_read(ordering: Ordering, utterance: Utterance) -> None:
    """Rows so far must tell which frames belong to which phone, whatever is still to come."""
    if not getattr(ordering, "grows", False):
        return
    demand(hasattr(ordering, "restore_begun"), "there is no `restore_begun`")
    made = ordering.arrange(utterance)
    begun = ordering.restore_begun(made.ids[: int(np.argwhere(made.frames >= 0)[-1, 0]) + 1])
    demand(begun.durations is not None, "`restore_begun` tells no durations")
