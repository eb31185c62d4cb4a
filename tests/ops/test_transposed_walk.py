"""The walk along an order with rows and columns exchanged: by hand, and the fast one against the naive one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.ops.naive.transposed_walk import transposed_walk as naive
from reorder_kit.ops.transposed_walk import transposed_walk
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.testing import host_with

ORDERINGS = host_with().orderings
RULES = ["row", "column", "hilbert", "spiral", "snake", "boustrophedon", "morton"]
RECTANGLES = [(3, 4), (4, 3), (2, 8), (8, 2), (5, 7), (12, 16), (2, 3), (3, 9)]


def order(name: str, grid: Grid, **options: object) -> list[int]:
    ordering = ORDERINGS.get(name)
    return list(ordering(ordering.Options(**options)).order(grid))


def walked(patches: list[int], grid: Grid, valid: list[bool] | None = None) -> list[int]:
    """The patches in the order of the transposed walk, without padding."""
    mask = None if valid is None else torch.tensor([valid])
    (walk,) = transposed_walk(torch.tensor([patches]), mask, grid).tolist()
    assert sorted(walk) == list(range(len(patches)))
    count = len(patches) if valid is None else sum(valid)
    return [patches[slot] for slot in walk[:count]]


@pytest.mark.parametrize(
    ("patches", "grid", "expected"),
    [
        ([0, 1, 2, 3, 4, 5, 6, 7, 8], Grid(3, 3), [0, 3, 6, 1, 4, 7, 2, 5, 8]),
        ([4, 1, 0, 3, 6, 7, 8, 5, 2], Grid(3, 3), [4, 3, 0, 1, 2, 5, 8, 7, 6]),  # a spiral from the center
        ([0, 1, 2, 3, 4, 5], Grid(2, 3), [0, 3, 1, 4, 2, 5]),
        ([0, 3, 1, 4, 2, 5], Grid(2, 3), [0, 1, 2, 3, 4, 5]),
        ([0, 2, 4, 1, 3, 5], Grid(3, 2), [0, 1, 2, 3, 4, 5]),
        ([2, 1, 0, 3], Grid(1, 4), [2, 1, 0, 3]),
        ([2, 1, 0, 3], Grid(4, 1), [2, 1, 0, 3]),
        ([0, 1, 2, 3, 4, 5, 6, 7], Grid(2, 2, frames=2), [0, 2, 1, 3, 4, 6, 5, 7]),
        ([0, 1, 2, 5, 4, 3], Grid(2, 3), [0, 3, 4, 1, 5, 2]),  # there and back, so down, then twice up
    ],
)
def test_walks_worked_out_by_hand(patches: list[int], grid: Grid, expected: list[int]) -> None:
    assert walked(patches, grid) == expected


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("side", [2, 3, 6])
def test_on_a_square_grid_it_is_the_order_mirrored_at_the_diagonal(name: str, side: int) -> None:
    grid = Grid(side, side)
    mirrored = [column * side + row for row, column in (divmod(patch, side) for patch in order(name, grid))]
    assert walked(order(name, grid), grid) == mirrored
    assert walked(mirrored, grid) == order(name, grid)


@pytest.mark.parametrize("shape", RECTANGLES, ids=str)
@pytest.mark.parametrize("name", ["row", "column"])
@pytest.mark.parametrize(
    ("options", "mirrored"),
    [
        ({}, {}),
        ({"reverse": True}, {"reverse": True}),
        ({"flip": "vertical"}, {"flip": "horizontal"}),
        ({"flip": "horizontal"}, {"flip": "vertical"}),
    ],
)
def test_rows_and_columns_become_each_other_on_every_rectangle(
    shape: tuple[int, int], name: str, options: dict[str, object], mirrored: dict[str, object]
) -> None:
    grid, other = Grid(*shape), "column" if name == "row" else "row"
    assert walked(order(name, grid, **options), grid) == order(other, grid, **mirrored)


@pytest.mark.parametrize(
    ("shape", "numbered_again", "least"), [((3, 4), 0.45, 0.9), ((12, 16), 0.51, 0.8), ((5, 9), 0.45, 0.75)]
)
def test_a_hilbert_curve_stays_nearly_a_walk_on_a_rectangle(
    shape: tuple[int, int], numbered_again: float, least: float
) -> None:
    grid = Grid(*shape)
    hilbert = order("hilbert", grid)
    # The rule of the released code, unchanged: number i becomes the i-th patch down the columns.
    by_number = [patch % grid.height * grid.width + patch // grid.height for patch in hilbert]
    assert Order(by_number).adjacency(grid) == pytest.approx(numbered_again, abs=0.01)
    assert Order(walked(hilbert, grid)).adjacency(grid) >= least


def test_the_rows_of_a_partial_image_become_its_columns() -> None:
    grid = Grid(4, 4)
    kept = [1, 2, 4, 7, 8, 10, 11, 15]
    assert walked(kept, grid) == [4, 8, 1, 2, 10, 7, 11, 15]
    assert walked(kept, grid) == [patch for patch in walked(list(range(16)), grid) if patch in kept]


def test_padding_counts_as_left_out() -> None:
    grid = Grid(3, 4)
    patches = order("spiral", grid)
    valid = [patch % 4 != 3 for patch in patches]
    assert walked(patches, grid, valid) == walked([patch for patch in patches if patch % 4 != 3], grid)
    assert transposed_walk(torch.tensor([patches]), torch.zeros(1, 12, dtype=torch.bool), grid).tolist() == [
        list(range(12))
    ]


@pytest.mark.parametrize("shape", [(2, 3), (3, 2), (3, 4), (4, 7), (7, 4)], ids=str)
@pytest.mark.parametrize("step", [1, 2], ids=["whole", "partial"])
@pytest.mark.parametrize("name", RULES)
def test_frames_of_a_clip_are_transposed_one_by_one(name: str, step: int, shape: tuple[int, int]) -> None:
    grid, clip = Grid(*shape), Grid(*shape, frames=3)
    for reverse in (False, True):
        frames = [order(name, grid, reverse=reverse)[start::step] for start in (0, step - 1, 0)]
        expected = [frame * grid.num_patches + patch for frame in (2, 0, 1) for patch in walked(frames[frame], grid)]
        patches = [frame * grid.num_patches + patch for frame in (2, 0, 1) for patch in frames[frame]]
        assert walked(patches, clip) == expected


@given(st.data())
def test_the_fast_walk_is_the_naive_one(data: st.DataObject) -> None:
    grid = Grid(*(data.draw(st.integers(1, most), label="side") for most in (5, 5, 2)))
    slots = data.draw(st.integers(1, grid.num_patches))
    rows = [data.draw(st.permutations(range(grid.num_patches)))[:slots] for _ in range(2)]
    valid = data.draw(st.lists(st.lists(st.booleans(), min_size=slots, max_size=slots), min_size=2, max_size=2))
    found = transposed_walk(torch.tensor(rows), torch.tensor(valid), grid).tolist()
    assert found == [naive(patches, mask, grid) for patches, mask in zip(rows, valid, strict=True)]
    whole = transposed_walk(torch.tensor(rows), None, grid).tolist()
    assert whole == [naive(patches, [True] * slots, grid) for patches in rows]
