"""The measurements under test/bench run, and the textbook beside the engine is right."""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import decoding
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
