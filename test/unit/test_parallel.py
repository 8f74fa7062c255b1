"""Mapping over many items keeps no more of them than are worked on."""

from collections.abc import Sequence
from functools import partial

from ellav.data.parallel import _AHEAD, parallel_map


class Numbers(Sequence):
    """0 to count - 1; remembers how far it was read."""

    def __init__(self, count):
        self.count, self.read = count, 0

    def __len__(self):
        return self.count

    def __getitem__(self, place):
        if isinstance(place, slice):
            return [self[i] for i in range(*place.indices(self.count))]
        if place >= self.count:
            raise IndexError
        self.read = max(self.read, place + 1)
        return place


def doubling():
    return partial(int.__mul__, 2)


def test_results_come_in_order_and_few_wait():
    items = Numbers(2000)
    results = parallel_map(doubling, items, 2, "test")
    assert next(results) == 0
    assert items.read <= (_AHEAD * 2 + 1) * 32
    assert list(results) == [2 * i for i in range(1, 2000)]
