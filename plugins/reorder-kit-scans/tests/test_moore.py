"""Moore: loops worked out by hand, and what holds on every grid."""

from __future__ import annotations

from itertools import pairwise, product

import pytest
from reorder_kit_scans.moore import Moore

from reorder_kit.interfaces import Grid
from reorder_kit.testing import check_ordering

SIDES = range(1, 17)


def patches(grid: str) -> list[int]:
    return Moore().order(Grid.parse(grid)).indices.tolist()


def steps_of_the_loop(height: int, width: int) -> list[int]:
    """Rows plus columns from each patch to the next, and from the last to the first."""
    cells = list(Moore().cells(height, width))
    return [abs(a - c) + abs(b - d) for (a, b), (c, d) in pairwise([*cells, cells[0]])]


# 4x4:  0  1  2  3    Two quarters up on the left, two down on the right; the last patch, 14, is beside the first, 13.
#       4  5  6  7
#       8  9 10 11
#      12 13 14 15
@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        ("1x4", [0, 1, 2, 3]),
        ("4x1", [0, 1, 2, 3]),
        ("2x2", [2, 0, 1, 3]),
        ("2x3", [3, 0, 1, 2, 5, 4]),
        ("3x2", [1, 0, 2, 4, 5, 3]),  # the same on the transposed grid
        ("4x4", [13, 12, 8, 9, 5, 4, 0, 1, 2, 3, 7, 6, 10, 11, 15, 14]),
        ("2x7", [2, 1, 0, 7, 8, 9, 10, 11, 12, 13, 6, 5, 4, 3]),  # halves out and back, from the middle
    ],
)
def test_loops_worked_out_by_hand(grid, expected):
    assert patches(grid) == expected


def moore_by_rewriting(order: int) -> list[tuple[int, int]]:
    """Moore's curve as the L-system it is usually drawn with: F one step, + a right turn, - a left turn."""
    word = "LFL+F+LFL"
    for _ in range(order - 1):
        word = "".join({"L": "-RF+LFL+FR-", "R": "+LF-RFR-FL+"}.get(letter, letter) for letter in word)
    row, column, down, right = 2**order - 1, 2 ** (order - 1) - 1, -1, 0
    cells = [(row, column)]
    for letter in word:
        if letter == "F":
            row, column = row + down, column + right
            cells.append((row, column))
        elif letter == "+":
            down, right = right, -down
        elif letter == "-":
            down, right = -right, down
    return cells


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_on_powers_of_two_it_is_the_curve_of_the_textbooks(order):
    assert list(Moore().cells(2**order, 2**order)) == moore_by_rewriting(order)


def test_an_even_number_of_patches_is_a_loop_of_neighbors():
    for height, width in product(SIDES, SIDES):
        if height * width % 2 == 0 and min(height, width) > 1:
            assert set(steps_of_the_loop(height, width)) == {1}, (height, width)


def test_an_odd_number_of_patches_takes_one_step_of_two():
    for height, width in product(SIDES, SIDES):
        if height * width % 2 and min(height, width) > 1:
            steps = steps_of_the_loop(height, width)
            assert sorted(steps) == [1] * (len(steps) - 1) + [2], (height, width)


@pytest.mark.parametrize("options", [{}, {"flip": "vertical"}, {"transpose": True, "reverse": True}])
def test_it_keeps_the_contract_of_orderings(options):
    check_ordering(Moore, options)
