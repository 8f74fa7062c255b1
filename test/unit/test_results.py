"""Intervals and tables."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ellav.score.results import bootstrap, cpu_name, environment, figure, markdown, summarise


def test_bootstrap_is_the_plain_definition():
    pairs = [(3.0, 10.0), (0.0, 4.0), (7.0, 7.0), (1.0, 12.0)]
    made = bootstrap(pairs, seed=5)
    random = np.random.default_rng(5)
    values = []
    for _ in range(1000):
        drawn = [pairs[i] for i in random.integers(0, 4, 4)]
        values.append(sum(n for n, _ in drawn) / sum(d for _, d in drawn))
    assert made["value"] == pytest.approx(11 / 33)
    assert made["low"] == pytest.approx(np.quantile(values, 0.025))
    assert made["high"] == pytest.approx(np.quantile(values, 0.975))
    assert made["utterances"] == 4


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(100):
        errors = random.binomial(8, 0.2, 80)
        made = bootstrap([(e, 8.0) for e in errors], seed=trial)
        covered += made["low"] <= 0.2 <= made["high"]
    assert covered >= 88


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(0.1, 100)), min_size=1, max_size=20))
def test_low_value_high_are_in_order(pairs):
    made = bootstrap(pairs)
    ratios = [n / d for n, d in pairs]
    assert min(ratios) - 1e-9 <= made["low"] <= made["high"] <= max(ratios) + 1e-9


def test_nothing_counted_is_none():
    assert bootstrap([]) is None
    assert bootstrap([(0.0, 0.0), (3.0, 0.0)]) is None


def test_utterances_without_a_metric_are_left_out():
    scored = [{"id": "a", "wer": [100.0, 2.0]}, {"id": "b", "wer": [0.0, 2.0], "cut": [0.0, 9.0]}, {"id": "c"}]
    made = summarise(scored, ["wer", "cut", "rtf"])
    assert made["wer"]["value"] == 25.0 and made["wer"]["utterances"] == 2
    assert made["cut"]["utterances"] == 1
    assert "rtf" not in made


def test_figures_for_people():
    assert figure({"value": 12.345, "low": 10.1, "high": 14.94}) == "12.3 (10.1 to 14.9)"
    assert figure({"value": 1.0, "low": 0.981, "high": 1.02}) == "1.00 (0.98 to 1.02)"
    assert figure({"value": 0.0, "low": 0.0, "high": 0.0}) == "0.000"
    assert figure(None) == "–"


def test_a_table_has_its_columns():
    lines = markdown(["a", "wider"], [["1", "2"], ["three", "4"]]).splitlines()
    assert len(lines) == 4 and len({len(line) for line in lines}) == 1
    assert set(lines[1]) == {"|", "-"}


def test_the_environment_is_named(tmp_path):
    made = environment(tmp_path)
    assert made["git"] == "unknown"
    assert "torch" in made["versions"] and made["cpu"] == cpu_name() and "cores" in made["cpu"]
