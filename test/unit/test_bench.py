"""The measurements under test/bench run, and the textbook beside the engine is right."""

import json
import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import decoding
import index
from reference import Reference

from ellav.models.options import ModelOptions


def test_the_reference_computes_with_its_cache_what_it_computes_without():
    torch.manual_seed(0)
    model = Reference(ModelOptions(layers=2, width=32, heads=4, ffn=48), 50).eval()
    ids, cache = torch.randint(50, (3, 9)), model.cache(3, 9)
    with torch.inference_mode():
        model(ids[:, :5], cache, 0)
        for n in range(5, 9):
            whole = model(ids[:, : n + 1], model.cache(3, n + 1), 0)
            torch.testing.assert_close(model(ids[:, n : n + 1], cache, n), whole, atol=1e-5, rtol=1e-5)
    assert model.generate(ids, 4).shape == (3, 13)


def test_the_engine_is_measured_beside_it(capsys):
    table = decoding.main(
        ["--preset", "tiny", "--rows", "5", "--prefix", "9", "--batch", "1", "2", "--repeats", "1", "--threads", "1"]
    )
    assert [(row["name"].split(",")[0], row["batch"]) for row in table] == [
        (name, batch) for batch in (1, 2) for name in ("reference", "engine", "engine")
    ]
    assert all(row["seconds"] > 0 and row["floor"] > 0 for row in table)
    assert capsys.readouterr().out.count("| engine, int8 |") == 2


def test_opening_planning_and_reading_a_set_are_measured(tmp_path, capsys):
    places = ["--folder", str(tmp_path), "--json", str(tmp_path / "figures.json")]
    rows = index.main(["--utterances", "300", "--shard", "120", "--phones", "5", "--batches", "2", "--cold", *places])
    steps = ["generate", "index", *["open", "first plan", "all plans", "read"] * 2]
    assert [row["step"] for row in rows] == steps and rows == json.loads((tmp_path / "figures.json").read_text())[
        "rows"
    ]
    assert [len(row["processes"]) for row in rows] == [1] * 6 + [2] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"] and "21 tables" in capsys.readouterr().out
