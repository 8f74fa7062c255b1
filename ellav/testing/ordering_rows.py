"""Laws of `arrange` and `restore`: invertible, complete, in order, loss only where it belongs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ellav.plugins.orderings import Ordering
from ellav.testing.contract import demand, law
from ellav.testing.utterances import longer, name_of, show
from ellav.types import NONE, Restored, TokenSequence, Utterance


@law(
    "arrange takes every utterance",
    "Take silences of 0 frames, phones of one frame and equal neighbours as they come, copy what you change, and "
    "return a TokenSequence.",
    show,
)
def arranges(ordering: Ordering, utterance: Utterance) -> None:
    """A TokenSequence comes back."""
    made = ordering.arrange(utterance)
    demand(isinstance(made, TokenSequence), f"a {type(made).__name__} comes back")


@law(
    "arrange makes rows of the right shapes",
    "Give ids, targets and frames the shape (L, S) and positions (L,), all int32, filled with -1 where there is "
    "nothing.",
    show,
)
def shapes(ordering: Ordering, utterance: Utterance) -> None:
    """Shapes and ranges of a TokenSequence."""
    made = ordering.arrange(utterance)
    for name in ("ids", "targets", "frames", "positions"):
        demand(isinstance(getattr(made, name), np.ndarray), f"`{name}` is a {type(getattr(made, name)).__name__}")
    length = len(made.ids)
    whole, column = (length, ordering.streams), (length,)
    for name in ("ids", "targets", "frames", "positions"):
        shape, wanted = getattr(made, name).shape, whole if name in ("ids", "targets", "frames") else column
        demand(shape == wanted, f"`{name}` has shape {shape}, not {wanted}")
        demand(getattr(made, name).dtype.kind == "i", f"`{name}` is {getattr(made, name).dtype}, not int32")
    for name in ("ids", "targets"):
        values = getattr(made, name)
        inside = ((values >= NONE) & (values < ordering.vocabulary.size)).all()
        demand(inside, f"`{name}` holds a number outside -1..{ordering.vocabulary.size - 1}")
    for row in np.flatnonzero((made.ids == NONE).all(axis=1))[:1]:
        demand(False, f"row {row} holds no id in any stream")
    demand(0 < made.prefix_len < length, f"prefix_len is {made.prefix_len} of {length} rows")


@law(
    "restore reads rows back",
    "Return a Restored: phones (N,) or None, codes (T, codebooks), and durations (N,) with `certain` (N,) or None.",
    show,
)
def restores(ordering: Ordering, utterance: Utterance) -> None:
    """A Restored with codes comes back."""
    made = ordering.restore(ordering.arrange(utterance).ids)
    demand(isinstance(made, Restored), f"a {type(made).__name__} comes back")
    demand(isinstance(made.codes, np.ndarray), f"`codes` is a {type(made.codes).__name__}")


@law(
    "arrange takes utterances without durations where it needs none",
    "Set `needs_durations` to True, or make the same rows of an utterance whose `durations` are None.",
    show,
)
def durations_unread(ordering: Ordering, utterance: Utterance) -> None:
    """Where needs_durations is False, durations change nothing."""
    if ordering.needs_durations:
        return
    made, without = ordering.arrange(utterance), ordering.arrange(replace(utterance, durations=None))
    demand(np.array_equal(made.ids, without.ids), "without durations it makes other rows")


@law(
    "nothing is learned inside the text",
    "Let `prefix_len` count the rows of text and BOS that come first: of these only the last may have a target.",
    show,
)
def text_is_given(ordering: Ordering, utterance: Utterance) -> None:
    """Rows of the text may see each other in both directions, so a target there would be seen."""
    made = ordering.arrange(utterance)
    learned = np.flatnonzero((made.targets[: made.prefix_len - 1] != NONE).any(axis=1))
    for row in learned[:1]:
        demand(False, f"row {row} has a target, prefix_len is {made.prefix_len}")


@law(
    "every frame stands in the rows once, in order",
    "Walk through frames 0 to T-1 once, and write each one's number into `frames` where its code stands.",
    show,
)
def frames_in_order(ordering: Ordering, utterance: Utterance) -> None:
    """Every frame stands in as many places as the rows carry codebooks, in order, after the prefix."""
    made = ordering.arrange(utterance)
    placed = made.frames[made.frames != NONE]
    counts = np.bincount(placed, minlength=utterance.frames)
    for frame, count in enumerate(counts):
        demand(frame < utterance.frames, f"frame {frame} is listed, there are {utterance.frames}")
        demand(
            count == ordering.codebooks, f"frame {frame} stands there {count} times, not {ordering.codebooks} time(s)"
        )
    demand(bool((np.diff(placed) >= 0).all()), f"`frames` lists {placed.tolist()}")
    demand((made.frames[: made.prefix_len] == NONE).all(), f"a frame stands before prefix_len = {made.prefix_len}")
    words = ordering.vocabulary
    codes = words.mask(*words.code_ranges)
    for row, stream in np.argwhere(made.frames != NONE):
        id = made.ids[row, stream]
        demand(id != NONE and bool(codes[id]), f"row {row} is said to hold a frame, its id is {name_of(words, id)}")


@law(
    "restore gives back the codes",
    "Let `restore` collect the code of every frame from the rows that `arrange` wrote, and subtract the start of "
    "the codes' range.",
    show,
)
def codes_come_back(ordering: Ordering, utterance: Utterance) -> None:
    """restore(arrange(u)) has the codes of u."""
    codes = ordering.restore(ordering.arrange(utterance).ids).codes
    wanted = utterance.codes[:, : ordering.codebooks]
    demand(codes.shape == wanted.shape, f"they come back with shape {codes.shape}, not {wanted.shape} (T, codebooks)")
    wrong = np.flatnonzero((codes != wanted).any(axis=1))
    for frame in wrong[:1]:
        demand(False, f"frame {frame} comes back as {codes[frame].tolist()}, not {wanted[frame].tolist()}")


@law(
    "restore gives back the phones",
    "Read all phones from where `arrange` wrote them, or return None where the rows hold no text.",
    show,
)
def phones_come_back(ordering: Ordering, utterance: Utterance) -> None:
    """restore(arrange(u)) has the phones of u."""
    phones = ordering.restore(ordering.arrange(utterance).ids).phones
    if phones is not None:
        same = np.array_equal(phones, utterance.phones)
        demand(same, f"phones {np.asarray(phones).tolist()} come back, not {utterance.phones.tolist()}")


@law(
    "restore gives back the durations",
    "Count the frames between the marks that `arrange` wrote at the phones' ends, or set `certain` to False for a "
    "phone whose end the rows do not tell.",
    show,
)
def durations_come_back(ordering: Ordering, utterance: Utterance) -> None:
    """restore(arrange(u)) has the durations of u wherever it says it is certain."""
    restored = ordering.restore(ordering.arrange(utterance).ids)
    if restored.durations is None:
        return
    durations, certain = np.asarray(restored.durations), restored.certain
    size = (len(utterance.phones),)
    demand(durations.shape == size, f"durations have shape {durations.shape}, not {size}")
    demand(certain is not None and certain.shape == size, "durations come back without `certain` (N,)")
    fits = durations.sum() == utterance.frames and (durations >= 0).all()
    demand(bool(fits), f"durations {durations.tolist()} do not sum to {utterance.frames} frames")
    wrong = np.flatnonzero(certain & (durations != utterance.durations))
    for phone in wrong[:1]:
        demand(
            False,
            f"it is certain that phone {phone} lasts {durations[phone]} frames, not {utterance.durations[phone]}: "
            "a boundary is off",
        )


@law(
    "what is read of rows so far stays true",
    "In `restore_begun` return fewer frames, as many as the rows tell the code and the phone of for good, or leave the "
    "method out.",
    show,
)
def beginnings_come_back(ordering: Ordering, utterance: Utterance) -> None:
    """restore_begun of the first rows gives the first frames of restore, with their phones."""
    if not hasattr(ordering, "restore_begun"):
        return
    made = ordering.arrange(utterance)
    whole = ordering.restore(made.ids)
    for rows in range(int(np.argwhere(made.frames != NONE)[0, 0]), len(made) + 1):
        begun = ordering.restore_begun(made.ids[:rows].copy())
        frames, what = len(begun.codes), f"of the first {rows} rows"
        demand(np.array_equal(begun.codes, whole.codes[:frames]), f"other codes come back {what}")
        demand((begun.durations is None) == (whole.durations is None), f"durations do not come back {what} as of all")
        if begun.durations is not None:
            total = int(np.sum(begun.durations))
            demand(total == frames, f"durations {what} sum to {total}, not to {frames} frames")
            told, right = (np.repeat(np.arange(len(d)), d) for d in (begun.durations, whole.durations))
            wrong = np.flatnonzero(told != right[:frames])
            for frame in wrong[:1]:
                demand(False, f"{what} frame {frame} is phone {told[frame]}'s, in the end phone {right[frame]}'s")


@law(
    "a target is the id of the next row",
    "Build the targets from the ids: `targets[:-1] = ids[1:]` where there is loss, -1 elsewhere and in the last row.",
    show,
)
def targets_are_next(ordering: Ordering, utterance: Utterance) -> None:
    """targets[r] is what ids[r + 1] holds, or nothing."""
    made, words = ordering.arrange(utterance), ordering.vocabulary
    demand((made.targets[-1] == NONE).all(), "the last row has a target, but nothing follows it")
    for row, stream in np.argwhere(made.targets != NONE):
        target, following = made.targets[row, stream], made.ids[row + 1, stream]
        found = f"row {row} has target {name_of(words, target)}, but row {row + 1} holds {name_of(words, following)}"
        demand(target == following, found)


@law(
    "loss only on what is sampled",
    "Set the target to -1 where the next row is forced (text, BOS), and allow in a state what shall be sampled.",
    show,
)
def loss_where_sampled(ordering: Ordering, utterance: Utterance) -> None:
    """Loss only on ids that a state may sample, and on a control that closes the sequence."""
    made, words = ordering.arrange(utterance), ordering.vocabulary
    sampled = np.any([state.allowed for state in ordering.states], axis=0)  # (S, V)
    single = words.mask(*(name for name, size in words.sizes.items() if size == 1))
    for row, stream in np.argwhere(made.targets != NONE):
        target = made.targets[row, stream]
        closes = row == len(made) - 2 and bool(single[target])
        demand(
            bool(sampled[stream, target]) or closes,
            f"row {row} has loss on {name_of(words, target)}, which no state may sample",
        )


@law(
    "every code is learned",
    "Set the target of the row before each code to that code.",
    show,
)
def loss_on_codes(ordering: Ordering, utterance: Utterance) -> None:
    """The row before a code has it as target."""
    made = ordering.arrange(utterance)
    for row, _ in np.argwhere((made.frames[1:] != NONE) & (made.targets[:-1] == NONE))[:1]:
        demand(False, f"row {row} has no target, but row {row + 1} holds a code")


@law(
    "earlier rows tell nothing of later boundaries",
    "Write a phone's end at most `lookahead` frames before it, or set `lookahead` to the most frames that you "
    "write it early.",
    show,
)
def rows_tell_nothing_later(ordering: Ordering, utterance: Utterance) -> None:
    """Utterances that agree up to a frame, and in boundaries up to `lookahead` later, have equal rows there."""
    made = ordering.arrange(utterance)
    ends = np.cumsum(utterance.durations)
    for frame in range(utterance.frames):
        later = np.flatnonzero(ends > frame + ordering.lookahead)
        if not len(later):
            continue
        other = ordering.arrange(longer(utterance, int(later[0]), frame))
        place = np.argwhere(made.frames == frame)
        if not len(place):
            return  # another law's business
        rows = int(place[0, 0])
        same = np.array_equal(made.ids[:rows], other.ids[:rows])
        demand(
            same,
            f"rows before frame {frame} change with the end of phone {later[0]}, {ends[later[0]] - frame} frames later",
        )


STATIC = (
    durations_unread,
    text_is_given,
    frames_in_order,
    codes_come_back,
    phones_come_back,
    durations_come_back,
    targets_are_next,
    loss_where_sampled,
    loss_on_codes,
    rows_tell_nothing_later,
)
