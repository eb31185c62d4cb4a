"""Peano: walks worked out by hand, Peano's own formula, and what holds on every grid."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from reorder_kit_scans.peano import Peano

from reorder_kit.interfaces import Grid
from reorder_kit.testing import check_ordering

SIDES = range(1, 17)


# 3x5:  0  1  2  3  4    The thirds of 5 are 1, 3 and 1: a column down, three columns up, a column down.
#       5  6  7  8  9    In the middle third, each row of 3 is a block.
#      10 11 12 13 14
@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("1x4", [0, 1, 2, 3]),
        ("4x1", [0, 1, 2, 3]),
        ("2x2", [0, 1, 3, 2]),
        ("2x3", [0, 3, 4, 1, 2, 5]),
        ("3x2", [0, 1, 3, 2, 4, 5]),
        ("3x3", [0, 3, 6, 7, 4, 1, 2, 5, 8]),
        ("3x5", [0, 5, 10, 11, 12, 13, 8, 7, 6, 1, 2, 3, 4, 9, 14]),
        ("4x4", [0, 1, 2, 3, 7, 11, 15, 14, 13, 9, 10, 6, 5, 4, 8, 12]),  # a row, then 3x4 from right to left
    ],
)
def test_walks_worked_out_by_hand(grid, expected):
    assert Peano().order(Grid.parse(grid)).indices.tolist() == expected


def peano_by_formula(digits: int) -> list[tuple[int, int]]:
    """Peano's definition: digits of the time, base three, go in turn to one side and to the other.

    A digit is mirrored (0 and 2 exchanged) if the digits before it that went to the other side have an odd sum.
    """
    cells = []
    for time in product(range(3), repeat=2 * digits):
        sides = [0, 0]
        for place, digit in enumerate(time):
            mirrored = sum(time[1 - place % 2 : place : 2]) % 2
            sides[place % 2] = 3 * sides[place % 2] + (2 - digit if mirrored else digit)
        cells.append((sides[1], sides[0]))
    return cells


@pytest.mark.parametrize("digits", [1, 2, 3])
def test_on_powers_of_three_it_is_the_curve_of_peano(digits):
    assert list(Peano().cells(3**digits, 3**digits)) == peano_by_formula(digits)


def test_every_step_goes_to_a_neighbor():
    for height, width in product(SIDES, SIDES):
        cells = list(Peano().cells(height, width))
        assert sorted(cells) == list(product(range(height), range(width))), (height, width)
        steps = {abs(a - c) + abs(b - d) for (a, b), (c, d) in pairwise(cells)}
        assert steps <= {1}, (height, width)


def test_it_ends_in_the_opposite_corner_or_at_the_other_end_of_the_longer_side():
    for height, width in product(SIDES, SIDES):
        *_, end = Peano().cells(height, width)
        if height % 2 or width % 2:
            assert end == (height - 1, width - 1)
        else:
            assert end == ((height - 1, 0) if height >= width else (0, width - 1))


@pytest.mark.parametrize("options", [{}, {"flip": "both"}, {"transpose": True, "flip": "horizontal"}])
def test_it_keeps_the_contract_of_orderings(options):
    check_ordering(Peano, options)
