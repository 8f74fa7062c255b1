"""Deliberately wrong orderings: each is caught, by a law that names it and says what to do."""

from dataclasses import replace

import numpy as np
import pytest

from ellav.plugins.orderings.interleaved import Interleaved
from ellav.testing import ContractError, check_ordering
from ellav.testing.contract import broken_laws
from ellav.testing.ordering import ordering_laws
from ellav.types import NONE, State


class Right(Interleaved):
    def __init__(self):
        super().__init__(local_advance=2)


def rows(made, kept):
    """The rows `kept` (indices) of a TokenSequence."""
    fields = {name: getattr(made, name)[kept] for name in ("ids", "targets", "positions", "frames")}
    return replace(made, **fields)


class FrameLost(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        return rows(made, np.flatnonzero((made.frames != utterance.frames - 1).all(axis=1)))


class FrameTwice(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        row = int(np.argwhere(made.frames == 0)[0, 0])
        return rows(made, np.insert(np.arange(len(made)), row, row))


class FramesSwapped(Right):
    def arrange(self, utterance):
        return super().arrange(replace(utterance, codes=utterance.codes[::-1]))


class LossOnPhone(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        targets = made.targets.copy()
        targets[made.prefix_len - 1, 0] = made.ids[made.prefix_len, 0]
        return replace(made, targets=targets)


class TargetsShifted(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        return replace(made, targets=np.roll(made.targets, 1, axis=0))


class BoundaryLate(Right):
    def arrange(self, utterance):
        durations = utterance.durations.copy()
        if len(durations) > 2 and durations[-2] > 1:
            durations[-3:-1] += (1, -1)
        return super().arrange(replace(utterance, durations=durations))


class WrongDurations(Right):
    def restore(self, ids):
        made = super().restore(ids)
        return replace(made, durations=np.roll(made.durations, 1))


class TooCertain(Right):
    def restore(self, ids):
        made = super().restore(ids)
        return replace(made, certain=np.ones_like(made.certain))


class Endless(Right):
    def script(self, request):
        made = super().script(request)
        made.most[-1] = 10**9
        return made


class NotSampled(Right):
    def bind(self, phones, codebook_size):
        super().bind(phones, codebook_size)
        allowed = self.states[0].allowed.copy()
        allowed[:, -1] = False  # the last code
        self.states = (State(allowed, self.eop),)


class ReadsOn(Right):
    """Remembers the utterance that it arranged last."""

    seen = None

    def arrange(self, utterance):
        self.seen = utterance
        return super().arrange(utterance)

    def script(self, request):
        made = super().script(request)
        known = int(self.seen.durations[-1]) + 2 if self.seen is not None else 1
        return replace(made, most=np.append(made.most[:-1], max(known, made.least[-1])).astype(np.int32))


class GuessesFromBounds(Right):
    """Takes the middle of least and most for the open phone's duration, and closes the phone there."""

    def script(self, request):
        if not request.open or len(request.durations) == len(request.phones):
            return super().script(request)
        last = len(request.durations) - 1
        guess = (int(request.least[last]) + int(request.most[last])) // 2
        closes = request.durations[-1] + self.local_advance >= guess
        return super().script(replace(request, open=not closes))


class AsksForLater(Right):
    """Wants the end of a phone that the prompt does not reach."""

    def script(self, request):
        np.cumsum(request.durations)[len(request.phones) - 1]
        return super().script(request)


class WithoutEOS(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        whole = rows(made, np.arange(len(made) - 1))
        targets = whole.targets.copy()
        targets[-1] = NONE
        return replace(whole, targets=targets)


class TriggerWithoutLoss(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        return replace(made, targets=np.where(made.targets == self.eop, NONE, made.targets))


class WrongPosition(Right):
    def script(self, request):
        made = super().script(request)
        return replace(made, next_position=made.next_position + 1)


class SaysTooEarly(Right):
    def __init__(self):
        super().__init__()
        self.lookahead = 0  # though it writes ends 2 frames early


class ForgetsPrompt(Right):
    def script(self, request):
        made = super().script(request)
        held = made.prefix[:, 0] >= self.first_code
        kept = ~held | (np.cumsum(held) > 1)  # the first frame is gone
        return replace(made, prefix=made.prefix[kept], positions=made.positions[kept])


class Fragile(Right):
    """Cannot restore a phone that came out without frames."""

    def restore(self, ids):
        made = super().restore(ids)
        spoken = made.phones != 0
        if (made.durations[spoken] == 0).any():
            raise ZeroDivisionError("a phone without frames")
        return made


class Flat(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        return replace(made, ids=made.ids[:, 0])


class NoTrigger(Right):
    def bind(self, phones, codebook_size):
        super().bind(phones, codebook_size)
        self.states = (State(self.vocabulary.mask("codes")[None], self.eop),)


class TriggerUnnamed(Right):
    def bind(self, phones, codebook_size):
        super().bind(phones, codebook_size)
        self.states = (State(self.states[0].allowed, None),)


class Sorts(Right):
    """Changes what it is given."""

    def arrange(self, utterance):
        utterance.durations.sort()
        return super().arrange(utterance)


class ReadsDurations(Right):
    needs_durations = False


class TextCutShort(Right):
    def arrange(self, utterance):
        return replace(super().arrange(utterance), prefix_len=1)


class TextTooLong(Right):
    def arrange(self, utterance):
        made = super().arrange(utterance)
        return replace(made, prefix_len=made.prefix_len + 3)


class TextLenOfOne(Right):
    def script(self, request):
        return replace(super().script(request), text_len=1)


class CountsAnew(Right):
    """Forgets the frames that the open phone has already."""

    def __init__(self):
        Interleaved.__init__(self, local_advance=0)

    def script(self, request):
        return replace(super().script(request), count=0)


class MostTooSmall(Right):
    def script(self, request):
        made = super().script(request)
        most = np.maximum(made.most - 1, 0)
        return replace(made, least=np.minimum(made.least, most), most=most)


class WithoutRestore(Right):
    restore = None


class RestoresTuple(Right):
    def restore(self, ids):
        made = super().restore(ids)
        return made.phones, made.codes, made.durations


class EndsAtTheMark(Right):
    def restore_begun(self, ids):
        made, closed = super().restore_begun(ids), int((ids[:, 0] == self.eop).sum())
        ends = np.cumsum(made.durations)
        ends[:closed] = np.maximum(ends[:closed] - self.local_advance, 0)
        return replace(made, durations=np.diff(ends, prepend=0))


class ShortOnly(Right):
    def arrange(self, utterance):
        if utterance.frames > 200:
            raise OverflowError("too long for me")
        return super().arrange(utterance)


class NoLookahead(Right):
    def __init__(self):
        super().__init__()
        del self.lookahead


WRONG = {
    FrameLost: ("every frame stands in the rows once", "stands there 0 times", "frames 0 to T-1 once"),
    FrameTwice: ("every frame stands in the rows once", "frame 0 stands there 2 times", "frames 0 to T-1 once"),
    FramesSwapped: ("restore gives back the codes", "comes back as", "code of every frame"),
    LossOnPhone: ("loss only on what is sampled", "has loss on phones", "Set the target to -1"),
    TargetsShifted: ("a target is the id of the next row", "nothing follows it", r"targets\[:-1\] = ids\[1:\]"),
    BoundaryLate: ("restore gives back the durations", "a boundary is off", "Count the frames"),
    WrongDurations: ("restore gives back the durations", "a boundary is off", "Count the frames"),
    TooCertain: ("restore gives back the durations", "it is certain that phone", "`certain` to False"),
    Endless: ("every segment ends", "may take 1000000000 rows", "from `max_frames`"),
    NotSampled: ("loss only on what is sampled", r"codes\[15\], which no state", "allow in a state"),
    ReadsOn: ("knows nothing that comes after the prompt", "`most` of the same request", "keep nothing"),
    GuessesFromBounds: ("knows nothing that comes after the prompt", "changes with the request's", "`durations` alone"),
    AsksForLater: ("script answers every request", "IndexError", "the end of an open phone is unknown"),
    WithoutEOS: ("the script retells what arrange wrote", "script is eos, that of arrange no row", "the same rows"),
    TriggerWithoutLoss: ("what is sampled is learned", "holds eop, which is sampled", "trigger that ends"),
    WrongPosition: ("the script retells what arrange wrote", "the script's positions", "the same rows"),
    SaysTooEarly: ("earlier rows tell nothing of later boundaries", "frames later", "set `lookahead`"),
    ForgetsPrompt: ("decoding ends under any model", "prompt's codes do not come back", "Let `restore`"),
    Fragile: ("decoding ends under any model", "ZeroDivisionError: a phone without frames", "hold no frame"),
    Flat: ("rows of the right shapes", "`ids` has shape", r"shape \(L, S\)"),
    NoTrigger: ("bind makes the states", "its trigger 6 is not allowed", "holds the trigger"),
    TriggerUnnamed: ("bind makes the states", "trigger is None; it must be an id", r"State\(allowed, trigger\)"),
    Sorts: ("arrange takes every utterance", "ValueError: sort array is read-only", "copy what you change"),
    ReadsDurations: ("without durations where it needs none", "needs durations", "Set `needs_durations` to True"),
    TextCutShort: ("tell the same rows from the text", "prefix_len is 1, text_len is", "the same number"),
    TextTooLong: ("nothing is learned inside the text", "has a target, prefix_len is", "rows of text and BOS"),
    TextLenOfOne: ("tell the same rows from the text", "text_len is 1", "the same number"),
    CountsAnew: ("the script retells what arrange wrote", "must be sampled as eop", "least and most"),
    MostTooSmall: ("the script retells what arrange wrote", "row", "least and most"),
    WithoutRestore: ("attributes of the contract", "restore is None; it must be a method", "in the class body"),
    RestoresTuple: ("restore reads rows back", "a tuple comes back", "Return a Restored"),
    EndsAtTheMark: ("what is read of rows so far stays true", "in the end phone", "return fewer frames"),
    ShortOnly: ("arrange takes every utterance", "too long for me .* phones in .* frames", "return a TokenSequence"),
    NoLookahead: ("attributes of the contract", "lookahead is missing", "in the class body"),
}  # fmt: skip


def test_the_right_one_passes():
    check_ordering(Right(), cases=60)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda cls: cls.__name__)
def test_it_is_caught_with_its_law_and_advice(wrong):
    law, found, advice = WRONG[wrong]
    errors = broken_laws(ordering_laws(wrong(), cases=60))
    error = next((error for error in errors if law in error.law), None)
    assert error is not None, [str(error) for error in errors]
    with pytest.raises(ContractError, match=found):
        raise error
    with pytest.raises(ContractError, match=advice):
        raise error
    assert error.advice.endswith(".") and error.advice.count(". ") == 0
    assert len(errors) <= 4


def test_the_counter_example_is_the_smallest_that_was_tried():
    errors = broken_laws(ordering_laws(FrameLost(), cases=200))
    assert "phones = sp" in errors[0].example
    assert len(errors[0].example.partition(",")[0].split()) == 5  # `phones = sp X sp`
