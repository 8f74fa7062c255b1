"""Registries and typed options: what is accepted, and how the rest is refused."""

import sys
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.bin.options import add_choice, parse, parser
from ellav.config import build, checked, completed, fit, parse_pairs, read_yaml, yaml_text
from ellav.errors import UserError
from ellav.models.options import ModelOptions
from ellav.plugins.registry import Registry, load_plugin


@dataclass(frozen=True)
class Options:
    size: int = 3
    rate: float = 1.0
    kind: Literal["a", "b"] = "a"
    names: list[str] | None = None
    strict: bool = True


def test_values_are_fitted_to_their_types():
    made = build(Options, {"size": 4, "rate": "1e-3", "names": ["x"], "strict": False}, "options")
    assert made == Options(4, 1e-3, "a", ["x"], False)
    assert build(Options, {"names": "x, y"}, "options").names == ["x", "y"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"siz": 3}, r"unknown option 'siz' \(did you mean 'size'\?\).*accepted: size: int = 3"),
        ({"size": "many"}, "option 'size' must be int, not 'many'"),
        ({"size": True}, "option 'size' must be int, not True"),
        ({"kind": "c"}, r"must be a \| b, not 'c'"),
        ({"strict": 1}, "must be true"),
        ({"names": 3}, "'names' must be"),
    ],
)
def test_other_values_are_refused_in_one_line(options, message):
    with pytest.raises(UserError, match=message) as caught:
        checked(Options, options, "options")
    assert "\n" not in str(caught.value)


@given(st.integers() | st.booleans() | st.floats(allow_nan=False) | st.text() | st.none())
def test_what_fits_has_the_type(value):
    for kind in (int, float, str, bool):
        try:
            assert type(fit(value, kind)) is kind
        except (TypeError, ValueError):
            continue


def test_what_is_kept_has_the_defaults_too():
    assert completed(Options, {"size": 4, "names": ("x",)}, "options") == {
        "size": 4, "rate": 1.0, "kind": "a", "names": ["x"], "strict": True,
    }  # fmt: skip

    def placed(file: Path = Path("a/b"), pair: tuple[int, ...] = (1, 2)):
        pass

    assert completed(placed, {}, "options") == {"file": "a/b", "pair": [1, 2]}
    with pytest.raises(UserError, match="unknown option 'siz'"):
        completed(Options, {"siz": 1}, "options")


def test_pairs_are_read_as_yaml():
    assert parse_pairs(["a=1", "b-c=true", "d=[1, 2]", "e="]) == {"a": 1, "b_c": True, "d": [1, 2], "e": None}
    with pytest.raises(UserError, match="key=value"):
        parse_pairs(["a"])


def test_true_and_false_alone_are_booleans(tmp_path):
    """`no` is Norwegian, and `off` is what an option can be."""
    wanted = {"a": "off", "no": "yes", "c": True, "d": False, "e": "on"}
    assert parse_pairs(["a=off", "no=yes", "c=true", "d=False", "e=on"]) == wanted
    (tmp_path / "some.yaml").write_text("a: off\nno: yes\nc: true\nd: False\ne: 'on'\n")
    assert read_yaml(tmp_path / "some.yaml") == wanted
    (tmp_path / "same.yaml").write_text(yaml_text(wanted))
    assert read_yaml(tmp_path / "same.yaml") == wanted
    assert build(ModelOptions, parse_pairs(["language=off"]), "model_conf").language == "off"


def test_an_unknown_name_lists_the_known_ones():
    family = Registry("things", {"built_in": "nowhere"})

    @family.register("mine")
    class Mine:
        pass

    assert family.names() == ["built_in", "mine"]
    with pytest.raises(UserError, match=r"no plugin named 'mime' \(did you mean 'mine'\?\); known: built_in, mine"):
        family.get("mime")
    with pytest.raises(UserError, match="already registered"):
        family.register("mine")(type("Other", (), {}))


@pytest.mark.parametrize("name", ["", "bad name!", "-x", None, "a/b"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(UserError, match=r"is no name for a plugin; write @things.register\(NAME\)"):
        Registry("things", {}).register(name)(type("Mine", (), {}))


def test_a_name_that_was_forgotten_and_what_is_no_class_are_refused():
    family = Registry("things", {})
    with pytest.raises(UserError, match=r"Mine \(a type\) is no name for a plugin; write @things.register"):
        family.register(type("Mine", (), {}))
    with pytest.raises(UserError, match=r"things 'f': <lambda> \(a function\) is no class"):
        family.register("f")(lambda: 1)
    with pytest.raises(UserError, match="contract is '1'; it must be a number"):
        family.register("old")(type("Old", (), {"contract": "1"}))
    assert family.names() == []


def test_entry_points_are_found_and_broken_ones_skipped(caplog):
    family = Registry("things", {})
    family._entry_points = {
        "good": EntryPoint("good", "argparse:Namespace", "ellav.things"),
        "broken": EntryPoint("broken", "no_such_module:Nothing", "ellav.things"),
    }
    assert family.names() == ["broken", "good"]
    assert family.get("good").__name__ == "Namespace"
    for _ in range(2):
        with pytest.raises(UserError, match="no plugin named 'broken'"):
            family.get("broken")
    assert [record.getMessage() for record in caplog.records] == [
        "ellav: skipping things 'broken' (no_such_module:Nothing): "
        "ModuleNotFoundError: No module named 'no_such_module'"
    ]
    assert family.names() == ["good"]


def test_plugin_files_are_imported_once_and_their_faults_named(tmp_path):
    good = tmp_path / "good.py"
    good.write_text(
        "import sys\nfrom ellav.plugins.decoders import decoders\n"
        "sys.ellav_test_loads = getattr(sys, 'ellav_test_loads', 0) + 1\n"
        "decoders.register('imported_once')(type('Once', (), {}))\n"
    )
    load_plugin(str(good))
    load_plugin(str(good))
    assert sys.ellav_test_loads == 1
    bad = tmp_path / "bad.py"
    bad.write_text("x = 1 / 0\n")
    with pytest.raises(UserError, match=r"bad\.py:1: ZeroDivisionError"):
        load_plugin(str(bad))
    with pytest.raises(UserError, match="no such file"):
        load_plugin(str(tmp_path / "missing.py"))


def options(argv):
    made = parser("test", "A test.")
    made.add_argument("--batch-size", type=int, default=1)
    made.add_argument("--needed", required=True)
    add_choice(made, "ordering", "concat", "orderings")
    return parse(made, argv)


def test_dashes_and_underscores_config_and_command_line(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("batch-size: 5\nneeded: here\nordering_conf: {local_advance: 3, silence: fold}\n")
    got = options(
        ["--config", str(config), "--ordering-conf", "local_advance=7", "--ordering_conf=global_advance=false"]
    )
    assert (got.batch_size, got.needed) == (5, "here")
    assert got.ordering_conf == {"local_advance": 7, "silence": "fold", "global_advance": False}
    assert options(["--config", str(config), "--batch-size", "9"]).batch_size == 9


def test_unknown_keys_of_a_config_are_refused(tmp_path):
    config = tmp_path / "c.yaml"
    config.write_text("batch: 5\n")
    with pytest.raises(UserError, match=r"c\.yaml: unknown option 'batch'; accepted: .*batch_size"):
        options(["--config", str(config), "--needed", "x"])
