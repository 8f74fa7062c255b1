"""`test/bench/index.py` measures what it says."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))

import index


def test_opening_planning_and_reading_a_set_are_measured(tmp_path, capsys):
    figures = tmp_path / "figures.json"
    size = ["--utterances", "300", "--shard", "120", "--phones", "5", "--batches", "2", "--cold"]
    rows = index.main([*size, "--folder", str(tmp_path), "--json", str(figures)])
    steps = ["generate", "index", *["open", "first plan", "all plans", "read"] * 2]
    assert [row["step"] for row in rows] == steps and rows == json.loads(figures.read_text())["rows"]
    assert [len(row["processes"]) for row in rows] == [1] * 6 + [2] * 4
    assert [path.name for path in tmp_path.iterdir()] == ["figures.json"] and "21 tables" in capsys.readouterr().out
