"""The laws of the ordering contract, for built-in orderings and for plugin authors alike."""

from __future__ import annotations

import numpy as np

from ellav.plugins.orderings import Ordering
from ellav.testing.drive import drive
from ellav.types import NONE, SILENCE, DecodingRequest, State, TokenSequence, Utterance

PHONES = (SILENCE, "AA", "B", "S", "T")


class ContractError(AssertionError):
    """A law that a plugin breaks, on which input, and what to look at."""


def check_ordering(ordering: Ordering, cases: int = 200, seed: int = 0) -> None:
    """Bind `ordering` to a small token list and try every law on random utterances.

    Raises ContractError with the first counter-example.
    """
    codebook_size = 16
    ordering.bind(PHONES, codebook_size)
    check_states(ordering)
    for case in range(cases):
        rng = np.random.default_rng([seed, case])
        utterance = random_utterance(rng, codebook_size, ordering.codebooks)
        check_utterance(ordering, utterance)
        ends = np.cumsum(utterance.durations)
        cut = int(rng.choice([0, rng.choice(ends[:-1]), rng.integers(0, utterance.frames + 1)]))
        check_decoding(ordering, utterance, cut, rng)


def random_utterance(rng: np.random.Generator, codebook_size: int, codebooks: int) -> Utterance:
    """Silence at both ends, zero-duration silences, equal neighbours, words of 1 to 3 phones."""
    phones, words = [0], [NONE]
    for word in range(rng.integers(1, 5)):
        for _ in range(rng.integers(1, 4)):
            phones.append(int(rng.integers(1, len(PHONES))))
            words.append(word)
        if rng.random() < 0.3:
            phones.append(0)
            words.append(NONE)
    if phones[-1] != 0:
        phones.append(0)
        words.append(NONE)
    phones = np.array(phones, np.int32)
    durations = rng.integers(1, 7, len(phones)).astype(np.int32)
    durations[phones == 0] = rng.integers(0, 9, (phones == 0).sum())
    codes = rng.integers(0, codebook_size, (durations.sum(), codebooks + 1)).astype(np.int16)
    return Utterance("random", "speaker", "en", phones, np.array(words, np.int32), durations, codes)


def check_states(ordering: Ordering) -> None:
    """Shapes of the states, and triggers that their masks allow."""
    size = ordering.vocabulary.size
    for number, state in enumerate(ordering.states):
        _demand(
            state.allowed.shape == (ordering.streams, size),
            f"state {number}: allowed has shape {state.allowed.shape}, not (streams, vocabulary) = "
            f"({ordering.streams}, {size})",
        )
        _demand(state.allowed.any(axis=1).all(), f"state {number}: a stream with no allowed id")
        if state.trigger != NONE:
            place = state.allowed[0] if state.own_row else state.allowed.any(axis=0)
            _demand(bool(place[state.trigger]), f"state {number}: its trigger {state.trigger} is not an allowed id")
            left = state.allowed.copy()
            left[:, state.trigger] = False
            _demand(left.any(axis=1).all(), f"state {number}: with the trigger masked, a stream has no allowed id")


def check_utterance(ordering: Ordering, utterance: Utterance) -> None:
    """The static laws: invertible, complete, in order, loss only where it belongs."""
    sequence = ordering.arrange(utterance)
    length, streams = len(sequence), ordering.streams
    what = f"arrange({_show(utterance)})"
    for name, shape in (
        ("ids", (length, streams)),
        ("targets", (length, streams)),
        ("frames", (length, streams)),
        ("positions", (length,)),
        ("segment", (length,)),
    ):
        _demand(getattr(sequence, name).shape == shape, f"{what}: {name} is not of shape {shape}")
    ids = sequence.ids
    _demand(((ids >= NONE) & (ids < ordering.vocabulary.size)).all(), f"{what}: an id outside the vocabulary")
    _demand((ids != NONE).any(axis=1).all(), f"{what}: a row without any id")

    restored = ordering.restore(ids)
    wanted = utterance.codes[:, : ordering.codebooks]
    _demand(
        np.array_equal(restored.codes, wanted),
        f"{what}: restore gives {len(restored.codes)} frames of codes that differ from the utterance's "
        f"{utterance.frames}; every frame must stand in the rows once, in order",
    )
    if restored.phones is not None:
        _demand(
            np.array_equal(restored.phones, utterance.phones),
            f"{what}: restore gives phones {restored.phones.tolist()}, not {utterance.phones.tolist()}",
        )
    if restored.durations is not None:
        certain = restored.certain
        _demand(
            restored.durations.sum() == utterance.frames and (restored.durations >= 0).all(),
            f"{what}: restored durations {restored.durations.tolist()} do not sum to {utterance.frames} frames",
        )
        _demand(
            np.array_equal(restored.durations[certain], utterance.durations[certain]),
            f"{what}: restore says it is certain of {restored.durations.tolist()}; a boundary is off",
        )
    check_frames(sequence, utterance, ordering.codebooks, what)
    check_targets(ordering, sequence, what)


def check_frames(sequence: TokenSequence, utterance: Utterance, codebooks: int, what: str) -> None:
    """Every frame stands in as many places as the rows carry codebooks, in order."""
    placed = sequence.frames[sequence.frames != NONE]
    wanted = np.repeat(np.arange(utterance.frames), codebooks)
    _demand(
        np.array_equal(placed, wanted),
        f"{what}: `frames` lists {placed.tolist()}; every frame must stand there once per codebook, in order",
    )
    prefix = sequence.frames[: sequence.prefix_len]
    _demand((prefix == NONE).all(), f"{what}: a frame stands before prefix_len={sequence.prefix_len}")


def check_targets(ordering: Ordering, sequence: TokenSequence, what: str) -> None:
    """Loss only on ids that a state may sample and on closing controls, each the next row's id."""
    sampled = np.any([state.allowed for state in ordering.states], axis=0)  # (S, V)
    targets = sequence.targets
    _demand((targets[-1] == NONE).all(), f"{what}: the last row has a target, but nothing follows it")
    for row, stream in np.argwhere(targets != NONE):
        target = targets[row, stream]
        _demand(
            target == sequence.ids[row + 1, stream],
            f"{what}: row {row} has target {target}, but the next row's id is {sequence.ids[row + 1, stream]}",
        )
        closing = row + 1 == len(sequence) - 1 and sequence.frames[row + 1, stream] == NONE
        _demand(
            bool(sampled[stream, target]) or closing,
            f"{what}: row {row} has loss on id {target}, which no state may sample; phones and BOS carry no loss",
        )
    with_frame = (sequence.frames[1:] != NONE) & (targets[:-1] == NONE)
    _demand(not with_frame.any(), f"{what}: a code without loss, predicted from row {np.argwhere(with_frame)[:1]}")


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


def check_decoding(ordering: Ordering, utterance: Utterance, cut: int, rng: np.random.Generator) -> None:
    """The laws of scripts: teacher-forced they give `arrange`; under any model they end."""
    request = request_at(utterance, cut)
    what = f"script at frame {cut} of {_show(utterance)}"
    script = ordering.script(request)
    segments = len(script.state)
    _demand(script.offset.shape == (segments + 2,), f"{what}: offset needs {segments + 2} entries (K + 2)")
    _demand(script.hold.shape == (segments, ordering.streams), f"{what}: hold is not of shape (K, S)")
    begun = len(request.durations)
    reached = not request.open and np.cumsum(utterance.durations)[begun] >= cut + ordering.lookahead
    if cut == 0 or reached:
        _teacher_forced(ordering, utterance, script, what)
    for choose in (_last_allowed, _never_trigger(ordering.states), _random(rng)):
        stage = script
        while stage is not None:
            driven = drive(stage, ordering.states, ordering.positions, choose(stage))
            _demand(
                driven.steps <= stage.bound,
                f"{what}: {driven.steps} rows after the prefix, more than the bound {stage.bound}",
            )
            stage = stage.next(driven.ids) if stage.next else None
        restored = ordering.restore(driven.ids)
        given = utterance.codes[:cut, : ordering.codebooks]
        _demand(
            np.array_equal(restored.codes[:cut], given),
            f"{what}: the prompt's codes do not come back from decoded rows",
        )
        if restored.durations is not None:
            _demand(
                restored.durations.sum() == len(restored.codes) and (restored.durations >= 0).all(),
                f"{what}: durations of decoded rows do not sum to their frames",
            )


def _teacher_forced(ordering: Ordering, utterance: Utterance, script, what: str) -> None:
    wanted = ordering.arrange(utterance)

    def choose(rows, _segment, allowed):
        row = wanted.ids[len(rows)] if len(rows) < len(wanted) else np.full(ordering.streams, NONE)
        bad = [s for s in range(ordering.streams) if row[s] == NONE or not allowed[s, row[s]]]
        own = row[0] in {s.trigger for s in ordering.states if s.own_row and s.trigger != NONE}
        if bad and not (own and allowed[0, row[0]]):
            raise ContractError(
                f"{what}: driven with the utterance's own ids, row {len(rows)} must be {row.tolist()}, "
                f"which the script does not allow there; check least and most, or what is forced"
            )
        return np.where(row == NONE, np.argmax(allowed, axis=1), row)

    stage = script
    while stage is not None:
        driven = drive(stage, ordering.states, ordering.positions, choose)
        stage = stage.next(driven.ids) if stage.next else None
    _demand(
        np.array_equal(driven.ids, wanted.ids),
        f"{what}: driven with the utterance's own ids it gives {driven.ids.tolist()}, arrange {wanted.ids.tolist()}",
    )
    _demand(
        np.array_equal(driven.positions, wanted.positions),
        f"{what}: positions {driven.positions.tolist()}, arrange has {wanted.positions.tolist()}",
    )


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


def _show(utterance: Utterance) -> str:
    return f"phones={utterance.phones.tolist()}, durations={utterance.durations.tolist()}"


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ContractError(message)
