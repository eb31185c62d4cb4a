"""The order of merged cells, against a walk through the slots."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order


@st.composite
def grids(draw: st.DrawFn) -> tuple[Grid, Grid]:
    """A grid and a coarser one."""
    coarse = Grid(draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 2)))
    side = draw(st.integers(1, 3))
    return Grid(side * coarse.height, side * coarse.width, coarse.frames), coarse


def walked(slots: list[int], fine: Grid, coarse: Grid) -> list[int]:
    """The cells in the order in which a walk first reaches one of their patches, without unreached ones."""
    side, cells = fine.height // coarse.height, []
    for patch in slots:
        frame, row, column = fine.cell(patch)
        cell = coarse.index(row // side, column // side, frame)
        if cell not in cells:
            cells.append(cell)
    return cells


@given(grids(), st.integers(0, 1000))
def test_a_cell_stands_where_its_first_patch_stood(sizes: tuple[Grid, Grid], seed: int) -> None:
    fine, coarse = sizes
    generator = torch.Generator().manual_seed(seed)
    rows = torch.stack([torch.randperm(fine.num_patches, generator=generator) for _ in range(4)])
    expected = [walked(row.tolist(), fine, coarse) for row in rows]

    static = Order(rows[0]).merged(coarse)
    assert static == Order(expected[0])
    per_image = Order(rows).merged(coarse)
    assert per_image == Order(torch.tensor(expected))
    groups = torch.tensor([3, 0, 0, 2, 1])
    by_group = Order(rows, groups=groups).merged(coarse)
    assert by_group == Order(torch.tensor(expected), groups=groups)
    assert by_group.per_image(5).tolist() == [expected[group] for group in groups.tolist()]


@given(grids(), st.integers(0, 1000))
def test_with_padding_a_cell_stands_where_its_first_valid_patch_stood(sizes: tuple[Grid, Grid], seed: int) -> None:
    fine, coarse = sizes
    generator = torch.Generator().manual_seed(seed)
    rows = torch.stack([torch.randperm(fine.num_patches, generator=generator) for _ in range(3)])
    valid = torch.rand(3, fine.num_patches, generator=generator) < 0.4
    groups = torch.tensor([2, 0, 2])
    for order in (Order(rows[0]), Order(rows), Order(rows, groups=groups)):
        merged = order.merged(coarse, valid)
        assert merged.indices.shape == (3, coarse.num_patches)
        for found, slots, of_image in zip(merged.indices, order.per_image(3), valid, strict=True):
            expected = walked([patch for patch in slots.tolist() if of_image[patch]], fine, coarse)
            assert found.tolist()[: len(expected)] == expected
            assert sorted(found.tolist()) == list(range(coarse.num_patches))


def test_with_nothing_but_valid_patches_the_order_is_the_one_without() -> None:
    order = Order(torch.randperm(16, generator=torch.Generator().manual_seed(0)))
    everything = order.merged(Grid(2, 2), torch.ones(2, 16, dtype=torch.bool))
    assert everything.indices.tolist() == [list(order.merged(Grid(2, 2)))] * 2


def test_by_hand() -> None:
    # A 2x4 grid; the cells of the 1x2 grid are the left half (0 1 4 5) and the right half (2 3 6 7).
    assert Order([6, 0, 1, 2, 3, 4, 5, 7]).merged(Grid(1, 2)).indices.tolist() == [1, 0]
    assert Order([5, 6, 7, 2, 3, 0, 1, 4]).merged(Grid(1, 2)).indices.tolist() == [0, 1]


def test_row_major_stays_row_major_and_merging_twice_is_merging_at_once() -> None:
    assert Order.identity(64).merged(Grid(4, 4)) == Order.identity(16)
    order = Order(torch.randperm(64, generator=torch.Generator().manual_seed(0)))
    assert order.merged(Grid(4, 4)).merged(Grid(2, 2)) == order.merged(Grid(2, 2))
    assert order.merged(Grid(8, 8)) == order


def test_a_partial_order_is_refused() -> None:
    with pytest.raises(ReorderKitError, match="partial order cannot be merged"):
        Order([2, 0, 1], num_patches=4).merged(Grid(1, 1))


@pytest.mark.parametrize(
    ("patches", "grid"),
    [(8, Grid(2, 2)), (16, Grid(1, 3)), (4, Grid(4, 4)), (16, Grid(2, 2, frames=2)), (15, Grid(2, 2))],
)
def test_patches_that_do_not_make_up_squares_are_refused(patches: int, grid: Grid) -> None:
    with pytest.raises(ReorderKitError, match=f"{patches} patches do not make up a {grid} grid"):
        Order.identity(patches).merged(grid)
