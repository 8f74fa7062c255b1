"""The laws of the two built-in orderings, on random and on chosen utterances."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.plugins.orderings import orderings
from ellav.testing.drive import drive
from ellav.testing.ordering import (
    PHONES,
    check_decoding,
    check_ordering,
    check_utterance,
    request_at,
)
from ellav.types import NONE, Utterance

SETTINGS = [
    {"global_advance": g, "local_advance": a, "silence": s, "phone_tokens": p}
    for g, a, s, p in itertools.product((True, False), (0, 1, 4, 9), ("phone", "fold"), (True, False))
    if (g or p) and (g or s == "phone")
]


def make(name, **options):
    ordering = orderings.create(name, options)
    ordering.bind(PHONES, 16)
    return ordering


@st.composite
def utterances(draw):
    phones = [0, *draw(st.lists(st.integers(0, len(PHONES) - 1), min_size=1, max_size=10)), 0]
    durations = [draw(st.integers(0 if phone == 0 else 1, 8)) for phone in phones]
    if sum(durations) == 0:
        durations[0] = 1
    words, word = [], NONE
    for phone in phones:
        word += phone != 0
        words.append(word if phone else NONE)
    seed = draw(st.integers(0, 2**16))
    codes = np.random.default_rng(seed).integers(0, 16, (sum(durations), 2)).astype(np.int16)
    arrays = [np.array(values, np.int32) for values in (phones, words, durations)]
    return Utterance("u", "s", "en", *arrays, codes)


@settings(max_examples=60, deadline=None)
@given(utterances(), st.sampled_from(SETTINGS), st.data())
def test_interleaved_keeps_every_law(utterance, options, data):
    ordering = make("interleaved", **options)
    check_utterance(ordering, utterance)
    cut = data.draw(st.integers(0, utterance.frames))
    check_decoding(ordering, utterance, cut)


@settings(max_examples=30, deadline=None)
@given(utterances(), st.data())
def test_concat_keeps_every_law(utterance, data):
    ordering = make("concat")
    check_utterance(ordering, utterance)
    check_decoding(ordering, utterance, data.draw(st.integers(0, utterance.frames)))


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_check_ordering_passes_built_ins(options):
    check_ordering(orderings.create("interleaved", options), cases=20)


def spoken(phones, durations):
    codes = np.arange(sum(durations), dtype=np.int16)[:, None] % 16
    words = np.where(np.array(phones) == 0, NONE, 0)
    return Utterance("u", "s", "en", np.array(phones, np.int32), words, np.array(durations, np.int32), codes)


def symbols(ordering, ids):
    names = {ordering.bos: "BOS", ordering.eop: "EOP", ordering.eos: "EOS"}
    return " ".join(names.get(i) or (PHONES[i] if i < len(PHONES) else f"c{i - ordering.first_code}") for i in ids)


def test_layout_without_local_advance_is_the_papers_sandwich():
    ordering = make("interleaved", local_advance=0)
    rows = ordering.arrange(spoken([0, 1, 2], [1, 2, 3]))
    assert symbols(ordering, rows.ids[:, 0]) == "sp AA B BOS sp c0 EOP AA c1 c2 EOP B c3 c4 c5 EOP EOS"
    assert symbols(ordering, rows.targets[rows.targets >= 0]) == "c0 EOP c1 c2 EOP c3 c4 c5 EOP EOS"


def test_local_advance_moves_the_pair_eop_and_next_phone_ahead():
    ordering = make("interleaved", local_advance=2)
    rows = ordering.arrange(spoken([0, 1, 2], [3, 2, 1]))
    assert symbols(ordering, rows.ids[:, 0]) == "sp AA B BOS sp c0 EOP AA c1 c2 EOP B c3 c4 c5 EOP EOS"


def test_several_boundaries_within_the_advance_are_split_evenly_and_said_to_be_uncertain():
    ordering = make("interleaved", local_advance=4)
    utterance = spoken([0, 1, 2, 3], [1, 1, 1, 6])
    restored = ordering.restore(ordering.arrange(utterance).ids)
    assert not restored.certain.any()
    assert restored.durations.sum() == 9
    later = ordering.restore(ordering.arrange(spoken([0, 1, 2, 3], [1, 4, 2, 6])).ids)
    assert later.certain.tolist() == [False, False, True, True]
    assert later.durations.tolist()[2:] == [2, 6]


def test_folded_silence_counts_with_the_phone_before_it():
    ordering = make("interleaved", local_advance=0, silence="fold")
    rows = ordering.arrange(spoken([0, 1, 0, 2, 0], [2, 1, 1, 1, 1]))
    assert symbols(ordering, rows.ids[:, 0]) == "sp AA sp B sp BOS AA c0 c1 c2 c3 EOP B c4 c5 EOP EOS"
    restored = ordering.restore(rows.ids)
    assert restored.durations.tolist() == [0, 4, 0, 2, 0]
    assert not restored.certain.any()


def test_a_prompt_cut_inside_a_phone_leaves_it_open_and_reads_nothing_later():
    ordering = make("interleaved", local_advance=2)
    long, short = spoken([0, 1, 2], [3, 6, 4]), spoken([0, 1, 2], [3, 3, 4])
    scripts = [ordering.script(request_at(u, 5)) for u in (long, short)]
    for script in scripts:
        assert symbols(ordering, script.prefix[:, 0]) == "sp AA B BOS sp c0 EOP AA c1 c2 c3 c4"
        assert script.count == 4
        assert len(script.state) == 2


def test_a_whole_prompt_is_the_arrangement_cut_at_its_end():
    ordering = make("interleaved", local_advance=2)
    utterance = spoken([0, 1, 0, 2, 0], [3, 4, 4, 5, 2])
    script = ordering.script(request_at(utterance, 7))
    whole = ordering.arrange(utterance).ids
    assert np.array_equal(script.prefix, whole[: len(script.prefix)])
    assert symbols(ordering, script.prefix[-4:, 0]) == "EOP sp c5 c6"


def test_no_boundary_bound_is_exceeded_by_the_most_stubborn_model():
    ordering = make("interleaved", local_advance=3)
    utterance = spoken([0, 1, 0, 2, 0], [3, 4, 4, 5, 2])
    script = ordering.script(request_at(utterance, 0))

    def never(_rows, _segment, allowed):
        allowed = allowed.copy()
        allowed[:, ordering.eop] = False
        return allowed.argmax(axis=1)

    driven = drive(script, ordering.states, ordering.positions, never)
    assert driven.cuts.all()
    assert driven.steps == script.bound


@pytest.mark.parametrize(
    "options", [{"local_advance": -1}, {"global_advance": False, "phone_tokens": False}, {"silence": "loud"}, {"a": 1}]
)
def test_contradicting_options_are_refused_in_one_line(options):
    with pytest.raises(UserError, match="interleaved"):
        orderings.create("interleaved", options)
