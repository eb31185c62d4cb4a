"""An order as a Python object: its grid, indexing, iteration, and representation."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

GRID = Grid(2, 2)
ORDER = Order([3, 0, 2, 1], grid=GRID)
PER_IMAGE = Order(torch.tensor([[0, 1, 2, 3], [3, 2, 1, 0]]), grid=GRID)
PARTIAL = Order([3, 0], grid=GRID)


def test_a_grid_says_how_many_patches_there_are():
    assert PARTIAL.num_patches == 4
    assert Order([3, 0], 4).grid is None
    with pytest.raises(ReorderKitError, match="an order of 3 patches does not fit the 2x2 grid"):
        Order([2, 0, 1], 3, grid=GRID)


@pytest.mark.parametrize(
    ("order", "grid"),
    [
        (ORDER.first(2), GRID),
        (ORDER.to("cpu"), GRID),
        (ORDER[1:], GRID),
        (ORDER.compose(Order([1, 0, 3, 2])), GRID),
        (ORDER.compose(PER_IMAGE), GRID),
        (PER_IMAGE.compose(ORDER), GRID),
        (PER_IMAGE.compose(PER_IMAGE), GRID),
        (ORDER.merged(Grid(1, 1)), Grid(1, 1)),
        (copy.deepcopy(ORDER), GRID),
        (pickle.loads(pickle.dumps(ORDER)), GRID),
        (Order([1, 0, 3, 2]).compose(ORDER), None),
        (ORDER.inverse(), None),
        (Order.trusted(torch.tensor([1, 0]), 2), None),
    ],
)
def test_the_grid_is_kept_while_it_is_that_of_the_patches(order, grid):
    assert order.grid == grid


def test_a_grid_is_no_part_of_equality():
    unknown, wide = Order([3, 0, 2, 1]), Order([3, 0, 2, 1], grid=Grid(1, 4))
    assert ORDER == unknown == wide
    assert hash(ORDER) == hash(unknown) == hash(wide)


def test_a_grid_can_be_told_later_but_not_changed():
    assert Order([3, 0, 2, 1]).with_grid(GRID).grid == GRID
    assert ORDER.with_grid(GRID) == ORDER
    with pytest.raises(ReorderKitError, match="the order is for a 2x2 grid, not 1x4"):
        ORDER.with_grid(Grid(1, 4))
    with pytest.raises(ReorderKitError, match="an order of 4 patches does not fit the 3x3 grid"):
        Order([3, 0, 2, 1]).with_grid(Grid(3, 3))


def test_a_slot_has_its_patch():
    assert [ORDER[slot] for slot in range(4)] == list(ORDER) == [3, 0, 2, 1]
    assert ORDER[-1] == ORDER[np.int64(3)] == ORDER[torch.tensor(3)] == 1
    assert type(ORDER[0]) is int
    assert 2 in ORDER
    assert 4 not in ORDER


@pytest.mark.parametrize("slot", [4, -5])
def test_a_slot_that_is_not_there_is_an_index_error(slot):
    with pytest.raises(IndexError, match=f"no slot {slot} in an order of 4 slots"):
        ORDER[slot]


@pytest.mark.parametrize("slot", ["a", 1.0, None, (0, 1)])
def test_what_is_no_slot_is_a_type_error(slot):
    with pytest.raises(TypeError):
        ORDER[slot]


@pytest.mark.parametrize(
    "slots", [slice(2), slice(1, 3), slice(None, None, -1), slice(None, None, 2), slice(-1, 0, -2), slice(None)]
)
def test_a_slice_is_the_order_of_its_slots(slots):
    found = ORDER[slots]
    assert found.indices.tolist() == [3, 0, 2, 1][slots]
    assert (found.num_patches, found.grid) == (4, GRID)


def test_no_slots_are_no_order():
    with pytest.raises(ReorderKitError, match="shape"):
        ORDER[2:2]


def test_a_slot_of_orders_that_differ_between_images_has_no_patch():
    for use in (lambda: PER_IMAGE[0], lambda: PER_IMAGE[:2], lambda: list(PER_IMAGE)):
        with pytest.raises(ReorderKitError, match="differs between images, so a slot has no single patch") as refusal:
            use()
        assert "per_image" in refusal.value.hint


def test_numpy_and_torch_take_it_for_what_it_holds():
    assert np.asarray(ORDER).tolist() == [3, 0, 2, 1]
    assert np.asarray(PER_IMAGE).shape == (2, 4)
    assert np.array(ORDER, dtype=np.float32).dtype == np.float32
    assert torch.arange(4)[list(ORDER)].tolist() == [3, 0, 2, 1]
    np.asarray(ORDER)[:] = 0
    assert ORDER[0] == 3


def test_an_order_of_numpy_is_a_copy():
    indices = np.array([1, 0])
    order = Order(indices)
    indices[:] = 0
    assert order == Order([1, 0])
    assert Order(np.array([0, 1])[::-1]) == Order(np.array([1, 0], dtype=np.uint8)) == order


@pytest.mark.parametrize(
    ("order", "text"),
    [
        (ORDER, "Order(4 of 4 patches, 2x2 grid: 3 0 2 1)"),
        (PARTIAL, "Order(2 of 4 patches, 2x2 grid: 3 0)"),
        (PER_IMAGE, "Order(2x4 of 4 patches, 2x2 grid)"),
        (Order(range(16)), "Order(16 of 16 patches: 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15)"),
        (Order(range(196)), "Order(196 of 196 patches: 0 1 2 3 4 5 6 7 ... 192 193 194 195)"),
        (Order([1, 0]).to("meta"), "Order(2 of 2 patches)"),
    ],
)
def test_prints_both_ends(order, text):
    assert repr(order) == text


@pytest.mark.parametrize("grid", [(2, 2), "2x2", Grid(2, 2)])
def test_every_grid_is_taken_as_people_write_it(grid):
    order = Order([0, 1, 3, 2], grid=grid)
    assert order.grid == Order([0, 1, 3, 2]).with_grid(grid).grid == Grid(2, 2)
    assert order.adjacency(grid) == 1.0
    assert Order(range(16)).merged(grid).indices.tolist() == [0, 1, 2, 3]


def test_no_grid_is_refused_where_one_is_needed():
    for asked in (Order([0, 1]).adjacency, Order([0, 1]).with_grid):
        with pytest.raises(ReorderKitError, match="None is not a grid"):
            asked(None)
