"""Center-out: orders worked out by hand, and what holds on every grid."""

from math import dist

import pytest
from reorder_kit_examples.center_out import CenterOut

from reorder_kit import Grid
from reorder_kit.testing import check_ordering


def patches(grid: str, **options: object) -> list[int]:
    return CenterOut(CenterOut.Options.model_validate(options)).order(Grid.parse(grid)).indices.tolist()


# 3x3: 0 1 2    4x4:  0  1  2  3
#      3 4 5          4  5  6  7
#      6 7 8          8  9 10 11
#                    12 13 14 15
@pytest.mark.parametrize(
    ("grid", "ties", "expected"),
    [
        ("1x1", "clockwise", [0]),
        ("1x4", "clockwise", [2, 1, 3, 0]),
        ("1x4", "row-major", [1, 2, 0, 3]),
        ("3x3", "clockwise", [4, 1, 5, 7, 3, 2, 8, 6, 0]),
        ("3x3", "row-major", [4, 1, 3, 5, 7, 0, 2, 6, 8]),
        ("2x2", "clockwise", [1, 3, 2, 0]),
        ("4x4", "clockwise", [6, 10, 9, 5, 2, 7, 11, 14, 13, 8, 4, 1, 3, 15, 12, 0]),
        ("2x3", "clockwise", [1, 4, 2, 5, 3, 0]),
    ],
)
def test_orders_worked_out_by_hand(grid, ties, expected):
    assert patches(grid, ties=ties) == expected


@pytest.mark.parametrize("grid", ["1x1", "3x5", "8x8", "14x14", "1x9", "6x2"])
@pytest.mark.parametrize("ties", ["clockwise", "row-major"])
def test_the_distance_from_the_middle_never_falls(grid, ties):
    shape = Grid.parse(grid)
    middle = ((shape.height - 1) / 2, (shape.width - 1) / 2)
    walk = patches(grid, ties=ties)
    distances = [round(dist(shape.cell(patch)[1:], middle), 9) for patch in walk]

    assert sorted(walk) == list(range(shape.num_patches))
    assert distances == sorted(distances)


@pytest.mark.parametrize("ties", ["clockwise", "row-major"])
def test_it_keeps_the_contract_of_orderings(ties):
    check_ordering(CenterOut, {"ties": ties})


def test_reversed_it_ends_in_the_middle():
    assert patches("5x5", reverse=True)[-1] == 12
