"""The type of numbers that a machine decodes in."""

import json

import pytest
import torch

from ellav.errors import UserError
from ellav.models import fastest
from ellav.models.fastest import decoding_dtype, remembered_seconds, speeds_file
from ellav.models.options import ModelOptions

CPU = torch.device("cpu")
OPTIONS = ModelOptions(layers=2, width=16, heads=2, ffn=32)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(fastest, "multiplies_bfloat16", lambda: True)


def measured(monkeypatch, **seconds):
    """Products take so long; returns what was measured, as it is."""
    asked = []

    def product_seconds(options, dtype):
        name = str(dtype).removeprefix("torch.")
        asked.append((options.width, name))
        return seconds[name]

    monkeypatch.setattr(fastest, "product_seconds", product_seconds)
    return asked


@pytest.mark.parametrize(("bfloat16", "chosen"), [(0.5, torch.bfloat16), (0.9, torch.float32), (3.0, torch.float32)])
def test_what_is_much_faster_is_taken_and_measured_once(monkeypatch, bfloat16, chosen):
    asked = measured(monkeypatch, float32=1.0, bfloat16=bfloat16)
    assert [decoding_dtype("auto", CPU, OPTIONS) for _ in range(3)] == [chosen] * 3
    assert asked == [(16, "float32"), (16, "bfloat16")]
    wider = ModelOptions(layers=2, width=32, heads=2, ffn=32)
    assert decoding_dtype("auto", CPU, wider) == chosen and len(asked) == 4
    assert decoding_dtype("auto", CPU, OPTIONS) == chosen and len(asked) == 4  # both are remembered


@pytest.mark.parametrize("content", ["", "[]", "{", '{"x": 1}', '{"a": {"b": "c"}}'])
def test_a_file_that_says_nothing_is_written_anew(monkeypatch, content):
    asked = measured(monkeypatch, float32=1.0, bfloat16=0.1)
    speeds_file().parent.mkdir(parents=True)
    speeds_file().write_text(content)
    for _ in range(2):
        assert decoding_dtype("auto", CPU, OPTIONS) == torch.bfloat16
    assert len(asked) == 2 and isinstance(json.loads(speeds_file().read_text()), dict)


def test_where_nothing_can_be_kept_it_is_measured_each_time(monkeypatch, tmp_path):
    asked = measured(monkeypatch, float32=1.0, bfloat16=0.1)
    (tmp_path / "cache").write_text("a file, and no folder")
    for _ in range(2):
        assert decoding_dtype("auto", CPU, OPTIONS) == torch.bfloat16
    assert len(asked) == 4


def test_processors_without_bfloat16_are_not_measured(monkeypatch):
    asked = measured(monkeypatch)
    monkeypatch.setattr(fastest, "multiplies_bfloat16", lambda: False)
    assert decoding_dtype("auto", CPU, OPTIONS) == torch.float32 and not asked


def test_what_is_asked_for_is_taken(monkeypatch):
    measured(monkeypatch)
    assert decoding_dtype("bfloat16", CPU, OPTIONS) == torch.bfloat16
    with pytest.raises(UserError, match="'float8': one of auto, float32, bfloat16"):
        decoding_dtype("float8", CPU, OPTIONS)


def test_products_are_measured_for_real():
    seconds = remembered_seconds(OPTIONS)
    assert set(seconds) == {"float32", "bfloat16"} and all(0 < value < 10 for value in seconds.values())
