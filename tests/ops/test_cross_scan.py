"""The cross scan: four walks worked out by hand, and the fast one equal to the naive one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from reorder_kit.interfaces import Grid, Order
from reorder_kit.ops.cross_scan import cross_scan, four_walks
from reorder_kit.ops.naive.cross_scan import cross_scan as naive_cross_scan

DIM, STATE, RANK = 3, 2, 1


def weights() -> dict[str, Tensor]:
    """Four different walks."""
    noise = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(4, *shape, generator=noise, dtype=torch.float64)

    named = {"x_proj": drawn(RANK + 2 * STATE, DIM), "dt_weight": drawn(DIM, RANK), "dt_bias": drawn(DIM)}
    named |= {"A": -drawn(DIM, STATE).exp(), "D": drawn(DIM)}
    return {name: value.requires_grad_() for name, value in named.items()}


def walked(order: Order, grid: Grid, valid: Tensor | None = None) -> list[list[list[int]]]:
    return [walk.per_image(1 if valid is None else len(valid)).tolist() for walk in four_walks(order, grid, valid)]


def test_row_major_order_is_walked_by_rows_and_by_columns_there_and_back() -> None:
    rows, columns = [0, 1, 2, 3, 4, 5], [0, 3, 1, 4, 2, 5]
    assert walked(Order.identity(6), Grid(2, 3)) == [[rows], [columns], [rows[::-1]], [columns[::-1]]]


def test_a_walk_over_a_square_is_mirrored_at_its_diagonal() -> None:
    # 0 1    0 . 3        the hook goes down, right, and back up when mirrored
    # . 2
    assert walked(Order([0, 1, 3, 2]), Grid(2, 2)) == [[[0, 1, 3, 2]], [[0, 2, 3, 1]], [[2, 3, 1, 0]], [[1, 3, 2, 0]]]


def test_every_walk_comes_to_padding_last() -> None:
    valid = torch.tensor([[True, True, False, False], [True, False, True, False]])
    rows = [[[0, 1], [0, 2]], [[0, 1], [0, 2]], [[1, 0], [2, 0]], [[1, 0], [2, 0]]]
    found = walked(Order.identity(4), Grid(2, 2), valid)
    assert [[image[:2] for image in walk] for walk in found] == rows
    assert all(sorted(image) == [0, 1, 2, 3] for walk in found for image in walk)


@pytest.mark.parametrize("grid", [Grid(3, 3), Grid(2, 4), Grid(2, 2, frames=2)], ids=str)
@pytest.mark.parametrize("kind", ["static", "grouped", "per-image"])
def test_it_equals_the_naive_one_in_values_and_gradients(grid: Grid, kind: str) -> None:
    torch.manual_seed(1)
    rows = torch.stack([torch.randperm(grid.num_patches) for _ in range(3)])
    orders = {
        "static": Order(rows[0]),
        "grouped": Order(rows[:2], groups=torch.tensor([1, 0, 1])),
        "per-image": Order(rows),
    }
    order, named = orders[kind], weights()
    x = torch.randn(3, grid.num_patches, DIM, dtype=torch.float64, requires_grad=True)
    given = [x, *named.values()]
    found = cross_scan(x, four_walks(order, grid), **named)
    by_cell = x.reshape(3, grid.frames, grid.height, grid.width, DIM)
    expected = naive_cross_scan(by_cell, order.per_image(3), **named).reshape(found.shape)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    noise = torch.randn_like(found)
    gradients = [torch.autograd.grad((result * noise).sum(), given) for result in (found, expected)]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-6)


def test_what_is_scanned_in_half_precision_is_added_up_in_single_precision() -> None:
    x = torch.randn(2, 4, DIM, dtype=torch.bfloat16)
    named = {name: value.detach().float() for name, value in weights().items()}
    assert cross_scan(x, four_walks(Order.identity(4), Grid(2, 2)), **named).dtype == torch.float32
