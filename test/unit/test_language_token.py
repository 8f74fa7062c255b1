"""The language token in front of the text: the laws of the ordering around, and what models keep of it."""

import numpy as np
import pytest

from ellav.errors import UserError
from ellav.models.ar import sampled_ids
from ellav.models.languages import LANGUAGES, LanguageFirst
from ellav.models.model_config import check_languages
from ellav.models.trained import build_model
from ellav.plugins.orderings import orderings
from ellav.testing import check_ordering
from ellav.testing.drive import drive
from ellav.types import DecodingRequest, Utterance

PHONES = ("sp", "a", "b", "c")
ORDERINGS = {
    "interleaved": ("interleaved", {}),
    "interleaved of two codebooks": ("interleaved", {"codebooks": 2}),
    "concat": ("concat", {}),
    "grouped": ("grouped", {"group": 2}),
    "word_block": ("word_block", {}),
}


def around(name, languages=("en", "es", "und")):
    inner = orderings.create(*ORDERINGS[name])
    inner.bind(PHONES, 16)
    return LanguageFirst(inner, languages)


def utterance(language="es"):
    rng = np.random.default_rng(0)
    durations = np.array([1, 3, 2, 2], np.int32)
    codes = rng.integers(0, 16, (8, 2)).astype(np.int16)
    phones, words = np.array([0, 1, 2, 0], np.int32), np.array([-1, 0, 0, -1], np.int32)
    return Utterance("u", "s", language, phones, words, durations, codes)


@pytest.mark.parametrize("name", ORDERINGS)
def test_the_laws_of_orderings_are_kept(name):
    check_ordering(around(name), cases=25)


@pytest.mark.parametrize("name", ORDERINGS)
def test_one_row_is_in_front_and_all_else_as_it_was(name):
    ordering, said = around(name), utterance()
    plain, rows = ordering.inner.arrange(said), ordering.arrange(said)
    assert rows.ids[0, 0] == ordering.vocabulary.start(LANGUAGES) + 1 and (rows.ids[0, 1:] == -1).all()
    assert np.array_equal(rows.ids[1:], plain.ids) and np.array_equal(rows.targets[1:], plain.targets)
    assert rows.prefix_len == plain.prefix_len + 1 and rows.targets[0].max() == -1
    assert list(rows.positions[: rows.prefix_len]) == list(range(rows.prefix_len))
    assert np.array_equal(rows.positions[rows.prefix_len :], plain.positions[plain.prefix_len :])
    assert np.array_equal(sampled_ids(ordering), sampled_ids(ordering.inner))  # languages are never predicted


def request(language):
    said = utterance()
    least, most = np.ones(4, np.int32), np.full(4, 9, np.int32)
    return DecodingRequest(
        "u",
        said.phones,
        said.word_of_phone,
        said.codes[:0],
        np.zeros(0, np.int32),
        False,
        least,
        most,
        20,
        language=language,
    )


def test_a_script_begins_with_the_language_that_is_asked_for():
    ordering = around("interleaved")
    first = ordering.vocabulary.start(LANGUAGES)
    for language, place in (("es", 1), ("en", 0), ("", 0)):
        script = ordering.script(request(language))
        assert script.prefix[0, 0] == first + place and script.text_len == 6
    rng = np.random.default_rng(1)
    made = drive(
        script, ordering.states, ordering.positions, lambda _r, _k, allowed: [rng.choice(np.flatnonzero(allowed[0]))]
    )
    assert np.array_equal(ordering.restore(made.ids).phones, utterance().phones)
    with pytest.raises(ValueError, match="language 'fr' has not been learned; there are en, es, und"):
        ordering.script(request("fr"))
    with pytest.raises(ValueError, match="'fr' has not been learned"):
        ordering.arrange(utterance("fr"))


def config(**more):
    stats = {"frame_rate": 50.0, "codebooks": 2, "codebook_size": 16}
    model = {"layers": 1, "width": 16, "heads": 2, "ffn": 16}
    ordering = {"name": "concat", "conf": {}}
    return {"kind": "ar", "model": model, "ordering": ordering, "phones": list(PHONES), "stats": stats, **more}


def test_a_model_without_languages_is_what_it_was():
    plain, ordering = build_model(config())
    told, with_token = build_model(config(languages=["en", "es"]))
    assert len(told.table) == len(plain.table) + 2 and ordering.vocabulary.size + 2 == with_token.vocabulary.size
    assert told.head().shape == plain.head().shape


@pytest.mark.parametrize("languages", [["en"], ["en", "en"], "en", [1, 2], ["en", "e s"], ["x" * 41, "en"]])
def test_languages_of_a_strangers_model_are_checked(languages):
    with pytest.raises(UserError, match=r"config.yaml: languages should be two names at least"):
        check_languages(languages, "config.yaml")
    check_languages([], "config.yaml")
