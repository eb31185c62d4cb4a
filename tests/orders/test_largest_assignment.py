"""Hungarian rounding: against all orders."""

from __future__ import annotations

from itertools import permutations, product

import pytest
import torch
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.order import Order
from reorder_kit.orders.soft_permutation import largest_assignment

ORDERS = torch.tensor(list(permutations(range(4))))


def largest_sum(values: Tensor) -> Tensor:
    """The largest sum of any order of four patches, for each matrix."""
    return values[:, torch.arange(4), ORDERS].sum(dim=-1).max(dim=1).values


def sum_along(values: Tensor, order: Order) -> Tensor:
    return values.gather(-1, order.indices.unsqueeze(-1)).sum(dim=(-2, -1))


def test_no_order_has_a_larger_sum_in_any_matrix_of_zeros_and_ones() -> None:
    values = torch.tensor(list(product((0.0, 1.0), repeat=16))).reshape(-1, 4, 4)
    order = largest_assignment(values)
    assert torch.equal(order.indices.sort(dim=-1).values, torch.arange(4).expand(len(values), 4))
    assert torch.equal(sum_along(values, order), largest_sum(values))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_no_order_has_a_larger_sum_in_random_matrices_of_either_sign(scale: float) -> None:
    values = scale * torch.randn(500, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    order = largest_assignment(values)
    torch.testing.assert_close(sum_along(values, order), largest_sum(values), rtol=1e-12, atol=0)
    for index in range(3):
        assert torch.equal(order.indices[index], largest_assignment(values[index]).indices)


def test_a_batch_may_have_several_dimensions() -> None:
    values = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    indices = largest_assignment(values).indices
    assert indices.shape == (2, 3, 5)
    assert indices[1, 2].tolist() == largest_assignment(values[1, 2]).indices.tolist()


@pytest.mark.parametrize("broken", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_refused(broken: float) -> None:
    with pytest.raises(ReorderKitError, match="NaN or infinity") as refusal:
        largest_assignment(torch.tensor([[broken, 0.0], [0.0, 0.0]]))
    assert refusal.value.hint
