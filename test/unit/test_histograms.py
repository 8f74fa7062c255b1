"""Counts that add up say what all values would."""

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from ellav.data.histograms import Histogram

VALUES = st.lists(st.integers(0, 40), max_size=150)


@given(st.lists(VALUES, min_size=1, max_size=4), st.sampled_from([0, 1, 50, 99, 99.9, 100]))
def test_percentiles_are_numpys(parts, percent):
    histogram = Histogram()
    for part in parts:
        histogram.add(np.array(part, np.int32))
    values = [value for part in parts for value in part]
    assert len(histogram) == len(values)
    if values:
        assert histogram.percentile(percent) == np.percentile(values, percent)
    else:
        with pytest.raises(ValueError, match="no values"):
            histogram.percentile(percent)
