"""Products with fixed weights: however they are laid out, they are what a linear layer computes."""

import pytest
import torch
import torch.nn.functional as F

from ellav.models.products import COLUMNS, LARGE, Product

SHAPES = {"small": (48, 32), "large": (LARGE // 512, 512)}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("rows", [1, 3, COLUMNS.start, COLUMNS.stop - 1, COLUMNS.stop])
@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_a_linear_layer(shape, rows, bias):
    draws = torch.Generator().manual_seed(rows)
    weight, x = torch.randn(SHAPES[shape], generator=draws), torch.randn(rows, SHAPES[shape][1], generator=draws)
    added = torch.randn(len(weight), generator=draws) if bias else None
    made = Product(weight, added, torch.float32)
    torch.testing.assert_close(made(x), F.linear(x, weight, added), rtol=1e-4, atol=1e-3)
    onto = torch.randn(rows, len(weight), generator=draws)
    torch.testing.assert_close(made(x, onto), onto + x @ weight.T, rtol=1e-4, atol=1e-3)
    assert made(x).is_contiguous()  # as a linear layer's is: rotations are views of it


def test_a_large_matrix_is_not_copied_a_second_time():
    weight = torch.zeros(SHAPES["large"])
    assert Product(weight, None, torch.float32).weight.data_ptr() == weight.data_ptr()
