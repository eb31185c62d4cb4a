"""Corner-out: orders worked out by hand, and properties on every grid."""

from math import dist

import pytest
from reorder_kit_examples.corner_out import CornerOut

from reorder_kit import Grid
from reorder_kit.testing import check_ordering


def patches(grid: str, **options: object) -> list[int]:
    return CornerOut(CornerOut.Options.model_validate(options)).order(Grid.parse(grid)).indices.tolist()


# 3x3: 0 1 2    squared distances: 0 1 4    chebyshev: 0 1 2
#      3 4 5                       1 2 5               1 1 2
#      6 7 8                       4 5 8               2 2 2
@pytest.mark.parametrize(
    ("grid", "distance", "expected"),
    [
        ("1x1", "euclidean", [0]),
        ("1x4", "euclidean", [0, 1, 2, 3]),
        ("3x3", "euclidean", [0, 1, 3, 4, 2, 6, 5, 7, 8]),
        ("3x3", "chebyshev", [0, 1, 3, 4, 2, 5, 6, 7, 8]),
        ("2x3", "euclidean", [0, 1, 3, 4, 2, 5]),
        ("3x2", "chebyshev", [0, 1, 2, 3, 4, 5]),
    ],
)
def test_orders_worked_out_by_hand(grid, distance, expected):
    assert patches(grid, distance=distance) == expected


@pytest.mark.parametrize("grid", ["1x1", "3x5", "8x8", "14x14", "1x9", "6x2"])
def test_the_distance_from_the_corner_never_falls(grid):
    shape = Grid.parse(grid)
    walk = patches(grid)
    distances = [round(dist(shape.cell(patch)[1:], (0, 0)), 9) for patch in walk]

    assert sorted(walk) == list(range(shape.num_patches))
    assert distances == sorted(distances)


@pytest.mark.parametrize("distance", ["euclidean", "chebyshev"])
def test_it_keeps_the_contract_of_orderings(distance):
    check_ordering(CornerOut, {"distance": distance})


def test_flipped_it_starts_from_another_corner():
    assert patches("5x5", flip="both")[0] == 24
