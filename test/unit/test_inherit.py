"""Models that begin with the weights of others."""

import pytest
import torch
from test_checkpoints import save
from test_training import described, objective_of

from ellav.bin.train import source_of
from ellav.errors import UserError
from ellav.models.inherit import begin_from
from ellav.models.trained import build_model, load_trained


def begun(folder, config):
    """A fresh model of `config` that begins with the model in a folder; what was taken and what is new."""
    torch.manual_seed(1)
    model, ordering = build_model(config)
    return (model, ordering, *begin_from(model, ordering, config, load_trained(folder), folder))


def with_codec(config, fingerprint="abc"):
    return config | {"codec": {"name": "a", "fingerprint": fingerprint}}


@pytest.mark.parametrize(("kind", "ordering"), [("ar", "interleaved"), ("ar", "concat"), ("nar", "interleaved")])
def test_a_model_of_the_same_kind_is_taken_whole(tmp_path, kind, ordering):
    config = with_codec(described(kind, ordering))
    source = save(tmp_path / kind, config)
    model, _, taken, new = begun(source, config)
    theirs = load_trained(source).model.state_dict()
    assert not new and "all blocks" in taken
    for name, weight in model.state_dict().items():
        rows = slice(0, -1 if name == "table" else None)  # behind the last one stands the embedding of nothing
        assert torch.equal(weight[rows], theirs[name][rows])


def test_phones_and_controls_are_taken_by_name_and_codes_of_the_same_codec_alone(tmp_path):
    theirs = with_codec(described("ar", "interleaved"))
    source = save(tmp_path / "ar", theirs)
    phones = ["NEW", *reversed(theirs["phones"])]
    for ours, before, same in (
        ("abc", None, True),
        ("other", None, False),
        ("new", "abc", True),
        ("new", "other", False),
    ):
        config = with_codec(described("ar", "interleaved"), ours) | {"phones": phones}
        if before:
            config["codec"]["adapted_from"] = before
        model, ordering, taken, new = begun(source, config)
        given = load_trained(source)
        starts = [one.vocabulary.start("phones") for one in (ordering, given.ordering)]
        for number, phone in enumerate(phones[1:], 1):
            there = given.model.table[starts[1] + theirs["phones"].index(phone)]
            assert torch.equal(model.table[starts[0] + number], there)
        assert torch.equal(
            model.table[ordering.vocabulary.id("eop")], given.model.table[given.ordering.vocabulary.id("eop")]
        )
        size = config["stats"]["codebook_size"]
        one, other = (
            m.table[o.vocabulary.start("codes") :][:size] for m, o in ((model, ordering), (given.model, given.ordering))
        )
        assert torch.equal(one, other) == same
        assert f"{len(phones) - 1} of {len(phones)} phones" in taken and "phones NEW" in new
        assert ("codes of codebook 1" in new) != same


def test_another_ordering_has_controls_of_its_own(tmp_path):
    source = save(tmp_path / "ar", with_codec(described("ar", "concat")))
    _, _, taken, new = begun(source, with_codec(described("ar", "interleaved")))
    assert new == ["controls eop"] and "2 of 3 controls" in taken


def test_a_model_of_another_shape_or_none_is_one_line(tmp_path):
    config = with_codec(described("ar", "interleaved"))
    save(tmp_path / "ar", config)
    wider = config | {"model": config["model"] | {"ffn": 48}}
    with pytest.raises(UserError, match=r"has ffn=\d+, not 48; give --model-conf ffn=\d+") as caught:
        begun(tmp_path / "ar", wider)
    assert "\n" not in str(caught.value)
    assert source_of(tmp_path, "ar").weights == tmp_path / "ar/averaged.safetensors"
    with pytest.raises(UserError, match=r"no packed model, and no folder with nar/config.yaml inside"):
        source_of(tmp_path, "nar")


def test_more_levels_of_a_nar_model_keep_the_first(tmp_path):
    config = with_codec(described("nar", "interleaved"))
    fewer = config | {"model": config["model"] | {"codebooks": config["stats"]["codebooks"] - 1}}
    source = save(tmp_path / "nar", fewer)
    with torch.no_grad():
        given = load_trained(source).model
    model, _, _, new = begun(source, config)
    last = config["stats"]["codebooks"]
    assert f"codes of codebook {last}" in new and f"levels from codebook {last} on" in new
    norm = model.transformer.norm.by_level
    assert torch.equal(norm[: len(given.transformer.norm.by_level)], given.transformer.norm.by_level)
    assert objective_of(config).model.codebooks == last
