"""The laws of the ordering contract, for built-in orderings and for plugin authors alike."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ellav.plugins.orderings import Ordering
from ellav.testing.contract import METHOD, ContractError, Group, demand, has, is_count, keep_laws, law
from ellav.testing.ordering_growth import growing_at, growing_texts_are_read, growing_texts_begin_the_whole
from ellav.testing.ordering_rows import STATIC, arranges, beginnings_come_back, restores, shapes
from ellav.testing.ordering_scripts import DECODING, answers, request_at, script_shapes, segments_end
from ellav.testing.utterances import CODEBOOK_SIZE, PHONES, random_utterance
from ellav.types import NONE, State, Utterance, Vocabulary

__all__ = [
    "PHONES",
    "ContractError",
    "check_decoding",
    "check_ordering",
    "check_utterance",
    "growing_at",
    "ordering_laws",
    "random_utterance",
    "request_at",
]


def check_ordering(ordering: Ordering, cases: int = 200, seed: int = 0) -> None:
    """Bind `ordering` to a small token list and try every law on random utterances.

    Raises ContractError with the smallest counter-example of the first broken law.
    """
    keep_laws(ordering_laws(ordering, cases, seed))


def ordering_laws(ordering: Ordering, cases: int = 200, seed: int = 0) -> Iterator[Group]:
    """The laws in groups that build on one another; utterances go from small to large."""
    yield [attributes], [(ordering,)]
    ordering.bind(PHONES, CODEBOOK_SIZE)
    yield [vocabulary], [(ordering,)]
    yield [states], [(ordering,)]
    rng = np.random.default_rng(seed)
    spoken = [random_utterance(rng, CODEBOOK_SIZE, ordering.codebooks) for _ in range(cases)]
    spoken.append(random_utterance(rng, CODEBOOK_SIZE, ordering.codebooks, words=60))  # as long as joined ones are
    spoken.sort(key=lambda utterance: (len(utterance.phones), utterance.frames))
    whole = [(ordering, utterance) for utterance in spoken]
    yield [arranges], whole
    yield [shapes], whole
    yield [restores], whole
    yield STATIC, whole
    begun = [(ordering, utterance, cut) for utterance in spoken for cut in _cuts(utterance, rng)]
    yield [answers], begun
    yield [script_shapes, segments_end], begun
    yield DECODING, begun
    yield [beginnings_come_back], whole
    yield [growing_texts_are_read], whole
    yield [growing_texts_begin_the_whole], begun


def check_utterance(ordering: Ordering, utterance: Utterance) -> None:
    """The static laws on one utterance: invertible, complete, in order, loss only where it belongs."""
    case = [(ordering, utterance)]
    keep_laws(
        [
            ([arranges], case),
            ([shapes], case),
            ([restores], case),
            (STATIC, case),
            ([beginnings_come_back, growing_texts_are_read], case),
        ]
    )


def check_decoding(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """The laws of scripts at one cut: teacher-forced they give `arrange`; under any model they end."""
    case = [(ordering, utterance, cut)]
    keep_laws(
        [
            ([answers], case),
            ([script_shapes, segments_end], case),
            (DECODING, case),
            ([growing_texts_begin_the_whole], case),
        ]
    )


@law("the attributes of the contract are there", "Set it in the class body or in `__init__`, before `bind`.")
def attributes(ordering: Ordering) -> None:
    """What models, trainer and engine read before anything is arranged."""
    has(
        ordering,
        streams=(is_count, "a positive integer (ids per row)"),
        codebooks=(is_count, "a positive integer (codebooks in the rows)"),
        combine=(lambda value: value in ("sum", "concat"), "'sum' or 'concat'"),
        positions=(lambda value: value in ("token", "frame"), "'token' or 'frame'"),
        needs_durations=(lambda value: isinstance(value, bool), "True or False"),
        lookahead=(lambda value: is_count(value, 0), "a number of frames, at least 0"),
        bind=METHOD,
        arrange=METHOD,
        restore=METHOD,
        script=METHOD,
    )
    for name in ("grows", "depth"):
        if hasattr(ordering, name):
            has(ordering, **{name: (lambda value: isinstance(value, bool), "True or False")})


@law(
    "bind makes the vocabulary",
    "Set `self.vocabulary = Vocabulary({...})` in `bind`, with the codes in ranges whose names begin with `codes`.",
)
def vocabulary(ordering: Ordering) -> None:
    """A Vocabulary with codes in it."""
    demand(isinstance(getattr(ordering, "vocabulary", None), Vocabulary), "there is no Vocabulary after bind")
    names = list(ordering.vocabulary.sizes)
    demand(any(name.startswith("codes") for name in names), f"its ranges are {names}")


@law(
    "bind makes the states",
    "Write State(allowed, trigger): `allowed` is a boolean mask of shape (streams, vocabulary.size) that holds the "
    "trigger's id and something else.",
)
def states(ordering: Ordering) -> None:
    """Shapes of the states, and triggers that their masks allow."""
    demand(len(getattr(ordering, "states", ())) > 0, "there is no state")
    wanted = (ordering.streams, ordering.vocabulary.size)
    for number, state in enumerate(ordering.states):
        what = f"state {number}"
        demand(isinstance(state, State), f"{what} is a {type(state).__name__}")
        demand(isinstance(state.allowed, np.ndarray), f"{what}: `allowed` is a {type(state.allowed).__name__}")
        is_id = isinstance(state.trigger, (int, np.integer)) and NONE <= state.trigger < ordering.vocabulary.size
        demand(
            is_id, f"{what}: its trigger is {state.trigger!r}; it must be an id, or left out where only `most` ends it"
        )
        demand(state.allowed.dtype == bool, f"{what}: `allowed` is {state.allowed.dtype}, not boolean")
        demand(state.allowed.shape == wanted, f"{what}: `allowed` has shape {state.allowed.shape}, not {wanted}")
        demand(state.allowed.any(axis=1).all(), f"{what}: a stream has no allowed id")
        if state.trigger != NONE:
            place = state.allowed[0] if state.own_row else state.allowed.any(axis=0)
            demand(bool(place[state.trigger]), f"{what}: its trigger {state.trigger} is not allowed")
            left = state.allowed.copy()
            left[:, state.trigger] = False
            demand(left.any(axis=1).all(), f"{what}: where its trigger is masked, a stream has no id left")


def _cuts(utterance: Utterance, rng: np.random.Generator) -> list[int]:
    """Ends of prompts to try: none, a phone's end, anywhere."""
    ends = np.cumsum(utterance.durations)
    return sorted({0, int(rng.choice(ends[:-1])), int(rng.integers(0, utterance.frames + 1))})
