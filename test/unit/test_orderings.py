"""The laws of the built-in orderings, on random and on chosen utterances."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ellav.errors import UserError
from ellav.plugins.orderings import orderings
from ellav.plugins.orderings.grouped import GROUPS
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
        word += phone != 0 and (word == NONE or draw(st.booleans()))
        words.append(word if phone else NONE)
    seed = draw(st.integers(0, 2**16))
    codes = np.random.default_rng(seed).integers(0, 16, (sum(durations), 2)).astype(np.int16)
    arrays = [np.array(values, np.int32) for values in (phones, words, durations)]
    return Utterance("u", "s", "en", *arrays, codes)


@settings(max_examples=60)
@given(utterances(), st.sampled_from(SETTINGS), st.sampled_from([1, 2]), st.data())
def test_interleaved_keeps_every_law(utterance, options, codebooks, data):
    ordering = make("interleaved", **options, codebooks=codebooks)
    check_utterance(ordering, utterance)
    cut = data.draw(st.integers(0, utterance.frames))
    check_decoding(ordering, utterance, cut)


@settings(max_examples=30)
@given(utterances(), st.data())
def test_concat_keeps_every_law(utterance, data):
    ordering = make("concat")
    check_utterance(ordering, utterance)
    check_decoding(ordering, utterance, data.draw(st.integers(0, utterance.frames)))


@settings(max_examples=40)
@given(utterances(), st.sampled_from(GROUPS), st.data())
def test_grouped_keeps_every_law(utterance, group, data):
    ordering = make("grouped", group=group)
    check_utterance(ordering, utterance)
    check_decoding(ordering, utterance, data.draw(st.integers(0, utterance.frames)))


@settings(max_examples=40)
@given(utterances(), st.data())
def test_word_block_keeps_every_law(utterance, data):
    ordering = make("word_block")
    check_utterance(ordering, utterance)
    check_decoding(ordering, utterance, data.draw(st.integers(0, utterance.frames)))


@pytest.mark.parametrize("options", SETTINGS, ids=str)
def test_check_ordering_passes_built_ins(options):
    check_ordering(orderings.create("interleaved", options), cases=20)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("interleaved", {"codebooks": 3}),
        ("concat", {}),
        ("word_block", {}),
        *(("grouped", {"group": group}) for group in GROUPS),
    ],
)
def test_the_other_built_ins_pass_check_ordering(name, options):
    check_ordering(orderings.create(name, options), cases=30)


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


def rows_of(ordering, ids):
    """Rows as words: a row's ids joined by commas, what is nothing left out."""
    controls = {ordering.vocabulary.id(n): n.upper() for n, size in ordering.vocabulary.sizes.items() if size == 1}
    names = {**controls, **dict(enumerate(PHONES))}
    spelled = [[names.get(i) or f"c{i - ordering.first_code}" for i in row if i != NONE] for row in ids]
    return " ".join(",".join(row) for row in spelled)


def test_groups_are_rows_and_the_last_is_filled_up():
    ordering = make("grouped", group=4)
    rows = ordering.arrange(spoken([0, 1, 2], [1, 2, 3]))
    assert rows_of(ordering, rows.ids) == "sp AA B BOS c0,c1,c2,c3 c4,c5,PAD,PAD EOS"
    assert rows_of(ordering, rows.targets) == "   c0,c1,c2,c3 c4,c5,PAD,PAD EOS "
    assert rows.positions.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert rows.frames[4:].tolist() == [[0, 1, 2, 3], [4, 5, NONE, NONE], [NONE] * 4]


def test_groups_of_one_are_the_rows_of_valle():
    grouped, concat = make("grouped", group=1), make("concat")
    utterance = spoken([0, 1, 2, 0], [1, 2, 3, 1])
    ours, theirs = grouped.arrange(utterance), concat.arrange(utterance)
    for name in ("ids", "targets", "positions", "frames", "prefix_len"):
        assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name
    for cut in range(utterance.frames):
        ours, theirs = (ordering.script(request_at(utterance, cut)) for ordering in (grouped, concat))
        for name in ("prefix", "positions", "next_position", "count", "forced", "offset", "hold", "least", "most"):
            assert np.array_equal(getattr(ours, name), getattr(theirs, name)), name


@pytest.mark.parametrize(("cut", "held"), [(4, []), (5, ["c4"]), (7, ["c4", "c5", "c6"]), (8, [])])
def test_a_prompt_that_ends_inside_a_group_is_gone_on_with_there(cut, held):
    ordering = make("grouped", group=4)
    script = ordering.script(request_at(spoken([0, 1, 2], [3, 6, 4]), cut))
    assert len(script.prefix) == 4 + cut // 4
    assert rows_of(ordering, script.hold[:1]) == ",".join(held)
    assert script.state.tolist() == ([1, 0] if held else [0])
    driven = drive(script, ordering.states, ordering.positions, lambda _rows, _k, allowed: allowed.argmax(axis=1))
    assert np.array_equal(ordering.restore(driven.ids).codes[:cut, 0], np.arange(cut))


def test_as_many_rows_as_the_request_allows_frames():
    ordering = make("grouped", group=2)
    request = request_at(spoken([0, 1, 2], [3, 6, 4]), 5, slack=1)
    script = ordering.script(request)

    def never(_rows, _segment, allowed):
        return allowed.shape[1] - 1 - allowed[:, ::-1].argmax(axis=1)  # a code, never EOS or PAD

    driven = drive(script, ordering.states, ordering.positions, never)
    assert len(ordering.restore(driven.ids).codes) == 14  # 5 + max_frames = 9, in whole groups
    ends = drive(script, ordering.states, ordering.positions, lambda _rows, _k, allowed: allowed.argmax(axis=1))
    least = 5 + request.least[len(request.durations) :].sum()
    assert len(ends.ids) - len(script.prefix) - 1 == -(-least // 2) - 2  # rows after two full ones, EOS apart


def worded(phones, words, durations):
    made = spoken(phones, durations)
    return replace(made, word_of_phone=np.array(words, np.int32))


def test_a_block_is_a_word_its_separator_and_the_next_words_phones():
    ordering = make("word_block")
    rows = ordering.arrange(worded([0, 1, 2, 3, 0], [NONE, 0, 0, 1, NONE], [1, 2, 1, 2, 0]))
    assert rows_of(ordering, rows.ids) == (
        "BOS sp SEP AA B c0 EOB AA B SEP S c1 c2 c3 EOB S SEP sp c4 c5 EOB sp SEP EOB"
    )
    assert " ".join(rows_of(ordering, rows.targets).split()) == "c0 EOB c1 c2 c3 EOB c4 c5 EOB EOB"


def test_only_ends_of_words_and_silences_are_certain():
    ordering = make("word_block")
    rows = ordering.arrange(worded([0, 0, 1, 2, 3, 1, 0], [NONE, NONE, 0, 0, 0, 1, NONE], [3, 2, 1, 5, 1, 4, 0]))
    restored = ordering.restore(rows.ids)
    assert restored.durations.tolist() == [3, 2, 2, 2, 3, 4, 0]
    assert restored.certain.tolist() == [True, True, False, False, False, True, True]
    assert restored.phones.tolist() == [0, 0, 1, 2, 3, 1, 0]


@pytest.mark.parametrize(
    ("cut", "last", "count", "forced"),
    [
        (0, "sp SEP AA B", 0, "AA B SEP S S SEP sp sp SEP"),
        (1, "AA B SEP S", 0, "S SEP sp sp SEP"),  # the silence has ended
        (2, "AA B SEP S c1", 1, "S SEP sp sp SEP"),  # inside a phone
        (3, "AA B SEP S c1 c2", 2, "S SEP sp sp SEP"),  # between the phones of a word
        (4, "S SEP sp", 0, "sp SEP"),  # a word has ended
        (5, "S SEP sp c4", 1, "sp SEP"),
    ],
)
def test_a_prompt_leaves_the_block_of_its_end_open(cut, last, count, forced):
    ordering = make("word_block")
    utterance = worded([0, 1, 2, 3, 0], [NONE, 0, 0, 1, NONE], [1, 2, 1, 2, 1])
    script = ordering.script(request_at(utterance, cut))
    assert rows_of(ordering, script.prefix).endswith(" " + last)
    assert script.count == count
    assert rows_of(ordering, script.forced) == forced


def test_what_the_prompt_says_of_a_word_bounds_the_rest_of_it():
    ordering = make("word_block")
    utterance = worded([0, 1, 2, 3, 0], [NONE, 0, 0, 0, NONE], [1, 2, 4, 3, 1])
    request = request_at(utterance, 5, slack=1)  # inside B, after 2 of its frames
    script = ordering.script(request)
    assert script.least[0] == 2 + 3 + 2 and script.most[0] == 2 + 5 + 4


def test_a_row_holds_several_codes_of_its_frame():
    ordering = make("interleaved", codebooks=2, local_advance=0)
    one = spoken([1, 2], [2, 1])
    utterance = replace(one, codes=np.concatenate([one.codes, one.codes + 5], axis=1))
    rows = ordering.arrange(utterance)
    assert rows.ids[rows.frames[:, 0] >= 0].tolist() == [
        [ordering.first_code + t, ordering.first_code + 21 + t] for t in range(3)
    ]
    assert (rows.ids[rows.frames[:, 0] < 0, 1] == NONE).all()
    assert np.array_equal(ordering.restore(rows.ids).codes, utterance.codes)
    with pytest.raises(ValueError, match="codebooks=2, but these codes have 1"):
        ordering.arrange(one)
    with pytest.raises(UserError, match="codebooks must be 1 to 16, not 0"):
        make("interleaved", codebooks=0)


def test_word_block_says_what_it_needs():
    ordering = make("word_block")
    utterance = spoken([0, 1, 2], [3, 6, 4])
    with pytest.raises(ValueError, match="u: the word_block ordering needs durations"):
        ordering.arrange(replace(utterance, durations=None))
    request = replace(request_at(utterance, 13), open=False)
    with pytest.raises(ValueError, match="u: no phones after the prompt"):
        ordering.script(request)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("interleaved", {"local_advance": -1}),
        ("interleaved", {"global_advance": False, "phone_tokens": False}),
        ("interleaved", {"silence": "loud"}),
        ("interleaved", {"a": 1}),
        ("grouped", {"group": 3}),
        ("grouped", {"group": 0}),
        ("grouped", {"group": 16}),
        ("word_block", {"silence": "fold"}),
    ],
)
def test_contradicting_options_are_refused_in_one_line(name, options):
    with pytest.raises(UserError, match=name):
        orderings.create(name, options)
