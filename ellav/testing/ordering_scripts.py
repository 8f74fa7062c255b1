"""Laws of `script`: teacher-forced it gives what `arrange` gives; under any model it ends."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ellav.plugins.orderings import Ordering
from ellav.testing.contract import demand, law
from ellav.testing.drive import drive
from ellav.testing.utterances import longer, name_of, row_of, show
from ellav.types import NONE, DecodingRequest, DecodingScript, State, Utterance


def request_at(utterance: Utterance, cut: int, slack: int = 3) -> DecodingRequest:
    """Ask for the rest of `utterance` after frame `cut`, as if nothing later were known.

    A cut on a phone boundary closes the phone; inside a phone it is left open.
    """
    ends = np.cumsum(utterance.durations)
    begun = int(np.searchsorted(ends, cut, side="left")) + 1 if cut else 0
    opened = bool(begun and ends[begun - 1] != cut)
    if begun == len(ends) and not opened:  # nothing would be left to say
        begun, opened = begun, True
    starts = np.concatenate([[0], ends])
    durations = utterance.durations[:begun].copy()
    if begun:
        durations[-1] = cut - starts[begun - 1]
    durations.flags.writeable = False
    return DecodingRequest(
        id=utterance.id,
        phones=utterance.phones,
        word_of_phone=utterance.word_of_phone,
        codes=utterance.codes[:cut],
        durations=durations,
        open=opened,
        least=np.maximum(utterance.durations - slack, utterance.phones != 0).astype(np.int32),
        most=utterance.durations + slack,
        max_frames=utterance.frames - cut + slack,
    )


@law(
    "script answers every request",
    "Build it from the request alone: the prompt may be empty or end inside a phone, `durations` ends with the "
    "prompt, and the end of an open phone is unknown.",
    show,
)
def answers(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """A DecodingScript comes back."""
    made = ordering.script(request_at(utterance, cut))
    demand(isinstance(made, DecodingScript), f"a {type(made).__name__} comes back")


@law(
    "script makes arrays of the right shapes",
    "With K segments give state, least and most the shape (K,), offset (K + 2,), hold (K, S), forced (F, S) and "
    "prefix (P, S); offset begins with 0 and ends with F.",
    show,
)
def script_shapes(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """Shapes and ranges of a DecodingScript."""
    made = ordering.script(request_at(utterance, cut))
    segments, streams = len(made.state), ordering.streams
    for name, wanted in {
        "prefix": (len(made.prefix), streams),
        "positions": (len(made.prefix),),
        "forced": (len(made.forced), streams),
        "offset": (segments + 2,),
        "hold": (segments, streams),
        "least": (segments,),
        "most": (segments,),
    }.items():
        demand(getattr(made, name).shape == wanted, f"`{name}` has shape {getattr(made, name).shape}, not {wanted}")
    demand(segments > 0, "there is no segment to sample")
    rises = made.offset[0] == 0 and made.offset[-1] == len(made.forced) and (np.diff(made.offset) >= 0).all()
    demand(bool(rises), f"`offset` is {made.offset.tolist()} for {len(made.forced)} forced rows")
    known = ((made.state >= 0) & (made.state < len(ordering.states))).all()
    demand(bool(known), f"`state` is {made.state.tolist()}, there are {len(ordering.states)} states")
    for k, state in enumerate(made.state):
        demand(
            ordering.states[state].trigger != NONE or made.most[k] >= 1,
            f"segment {k} has no trigger and `most` {made.most[k]}",
        )


@law(
    "every segment ends",
    "Take a segment's `most` from the request: from `most` of its phones, or from `max_frames`.",
    show,
)
def segments_end(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """No script may go on much longer than the request allows."""
    request = request_at(utterance, cut)
    made = ordering.script(request)
    frames = int(request.most.sum()) + request.max_frames + len(request.codes)
    bound = ordering.codebooks * (frames + min(ordering.lookahead, frames)) + 4 * len(request.phones) + 16
    longest = int(made.most.argmax())
    demand(
        int(made.most.sum()) <= bound,
        f"segment {longest} may take {made.most[longest]} rows, where the request allows {request.max_frames} frames "
        f"in all, {request.most.tolist()} by phone",
    )


@law(
    "a script knows nothing that comes after the prompt",
    "Build prefix and forced rows from the request's phones, codes and `durations` alone (`durations` ends with the "
    "prompt; an open phone's end is unknown), and keep nothing from `arrange`.",
    show,
)
def script_knows_nothing_later(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """Bounds change only `least` and `most`; what was arranged before changes nothing."""
    request = request_at(utterance, cut)
    wide = replace(
        request,
        least=(request.phones != 0).astype(np.int32),
        most=np.full_like(request.most, request.most.max() + 20),
        max_frames=request.max_frames + 50,
    )
    made, wider = ordering.script(request), ordering.script(wide)
    for name in ("prefix", "text_len", "positions", "next_position", "count", "forced", "offset", "hold", "state"):
        same = np.array_equal(getattr(made, name), getattr(wider, name))
        demand(same, f"`{name}` changes with the request's `least` and `most`, which only bound what is sampled")
    ordering.arrange(longer(utterance, len(utterance.phones) - 1, cut))
    again = ordering.script(request)
    for name in ("prefix", "positions", "count", "forced", "hold", "state", "least", "most"):
        same = np.array_equal(getattr(made, name), getattr(again, name))
        demand(same, f"`{name}` of the same request is another one after another utterance was arranged")


@law(
    "the script retells what arrange wrote",
    "Let `script` and `arrange` write the same rows: look at what is forced, at each segment's state, and at its "
    "least and most.",
    show,
)
def script_retells(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """Driven with the utterance's own ids, the script gives the rows and positions of `arrange`.

    Also where the request allows just the durations that the utterance has.
    """
    for slack in (3, 0) if _comparable(ordering, utterance, cut) else ():
        _retell(ordering, utterance, ordering.script(request_at(utterance, cut, slack)))


@law(
    "arrange and script tell the same rows from the text",
    "Give `prefix_len` of the TokenSequence and `text_len` of the script the same number: the rows of text and BOS.",
    show,
)
def text_is_told_alike(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """What sees the whole text in training sees it in decoding."""
    told, given = ordering.arrange(utterance).prefix_len, ordering.script(request_at(utterance, cut)).text_len
    demand(told == given, f"prefix_len is {told}, text_len is {given}")


@law(
    "what is sampled is learned",
    "Set the target of the row before each id that the script samples, the trigger that ends a segment included.",
    show,
)
def sampled_is_learned(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """Every id that the script would sample carries loss in `arrange`."""
    if not _comparable(ordering, utterance, cut):
        return
    made = ordering.arrange(utterance)
    try:
        sampled = _retell(ordering, utterance, ordering.script(request_at(utterance, cut)))
    except AssertionError:
        return  # another law's business
    for row, stream in sampled:
        demand(
            made.ids[row, stream] == NONE or made.targets[row - 1, stream] != NONE,
            f"row {row} holds {name_of(ordering.vocabulary, made.ids[row, stream])}, which is sampled, but row "
            f"{row - 1} has no target",
        )


@law(
    "decoding ends under any model, and its rows are restored",
    "Let `restore` take any rows that the script allows, also phones that were cut short or hold no frame.",
    show,
)
def any_model_ends(ordering: Ordering, utterance: Utterance, cut: int) -> None:
    """Stubborn and random models stay within the bound; what they make can be restored."""
    given = utterance.codes[:cut, : ordering.codebooks]
    for choose in (_last_allowed, _never_trigger(ordering.states), _random(np.random.default_rng(cut))):
        stage = ordering.script(request_at(utterance, cut))
        while stage is not None:
            driven = drive(stage, ordering.states, ordering.positions, choose(stage))
            demand(driven.steps <= stage.bound, f"{driven.steps} rows after the prefix, the bound is {stage.bound}")
            stage = stage.next(driven.ids) if stage.next else None
        restored = ordering.restore(driven.ids)
        demand(np.array_equal(restored.codes[:cut], given), "the prompt's codes do not come back from decoded rows")
        if restored.durations is not None:
            fits = restored.durations.sum() == len(restored.codes) and (restored.durations >= 0).all()
            demand(
                bool(fits),
                f"durations {restored.durations.tolist()} of decoded rows do not sum to their "
                f"{len(restored.codes)} frames",
            )


DECODING = (script_knows_nothing_later, text_is_told_alike, script_retells, sampled_is_learned, any_model_ends)


def _comparable(ordering: Ordering, utterance: Utterance, cut: int) -> bool:
    """Whether the utterance itself is a possible answer: nothing that the prompt hides stands in its rows."""
    request = request_at(utterance, cut)
    if cut == 0:
        return True
    unended = len(request.durations) - request.open
    return np.cumsum(utterance.durations)[unended] >= cut + ordering.lookahead


def _retell(ordering: Ordering, utterance: Utterance, script: DecodingScript) -> list[tuple[int, int]]:
    """Drive the script with the rows of `arrange`: the (row, stream) places that were sampled."""
    wanted = ordering.arrange(utterance)
    triggers = {state.trigger for state in ordering.states if state.own_row and state.trigger != NONE}
    sampled = []

    def choose(rows, segment, allowed):
        free = np.flatnonzero(stage.hold[segment] == NONE)
        row = wanted.ids[len(rows)] if len(rows) < len(wanted) else None
        ending = row is not None and row[0] in triggers and allowed[0, row[0]]
        fits = row is not None and all(row[s] != NONE and allowed[s, row[s]] for s in free)
        demand(
            ending or fits,
            f"driven with the utterance's own ids, row {len(rows)} must be sampled as {row_of(ordering, row)}, which "
            "the script does not allow there",
        )
        sampled.extend((len(rows), stream) for stream in free)
        return np.where(row == NONE, np.argmax(allowed, axis=1), row)

    stage = script
    while stage is not None:
        driven = drive(stage, ordering.states, ordering.positions, choose)
        stage = stage.next(driven.ids) if stage.next else None
    for row in range(max(len(driven.ids), len(wanted))):
        mine = driven.ids[row] if row < len(driven.ids) else None
        theirs = wanted.ids[row] if row < len(wanted) else None
        demand(
            np.array_equal(mine, theirs),
            f"driven with the utterance's own ids, row {row} of the script is {row_of(ordering, mine)}, "
            f"that of arrange {row_of(ordering, theirs)}",
        )
    places = driven.positions.tolist(), wanted.positions.tolist()
    demand(places[0] == places[1], f"the script's positions are {places[0]}, those of arrange {places[1]}")
    return sampled


def _last_allowed(_script):
    return lambda _rows, _segment, allowed: allowed.shape[1] - 1 - np.argmax(allowed[:, ::-1], axis=1)


def _never_trigger(states: tuple[State, ...]):
    def for_script(script):
        def choose(_rows, segment, allowed):
            state = states[script.state[segment]]
            left = allowed.copy()
            if state.trigger != NONE:
                left[:, state.trigger] = False
            return np.argmax(left, axis=1)

        return choose

    return for_script


def _random(rng: np.random.Generator):
    def for_script(_script):
        return lambda _rows, _segment, allowed: [int(rng.choice(np.flatnonzero(row))) for row in allowed]

    return for_script
