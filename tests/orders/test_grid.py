"""The grid of patches: numbers of patches and cells, parsing, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import MOST_PATCHES, Grid

sides = st.integers(1, 40)
grids = st.builds(Grid, sides, sides, st.integers(1, 5))


def test_counts_patches_of_all_frames() -> None:
    assert Grid(3, 5).num_patches == 15
    assert Grid(3, 5, frames=2).num_patches == 30


@pytest.mark.parametrize(
    ("frame", "row", "column", "index"),
    [(0, 0, 0, 0), (0, 0, 4, 4), (0, 1, 0, 5), (0, 2, 4, 14), (1, 0, 0, 15), (1, 2, 3, 28)],
)
def test_a_patch_is_numbered_by_frame_row_and_column(frame: int, row: int, column: int, index: int) -> None:
    grid = Grid(3, 5, frames=2)
    assert grid.index(row, column, frame) == index
    assert grid.cell(index) == (frame, row, column)


@given(grids)
def test_numbers_agree_with_numpy(grid: Grid) -> None:
    shape = (grid.frames, grid.height, grid.width)
    for index in range(0, grid.num_patches, 7):
        frame, row, column = grid.cell(index)
        assert (frame, row, column) == np.unravel_index(index, shape)
        assert grid.index(row, column, frame) == index


def test_transposing_exchanges_rows_and_columns_and_keeps_frames() -> None:
    assert Grid(3, 5, frames=2).transposed == Grid(5, 3, frames=2)


@pytest.mark.parametrize(
    ("text", "grid"),
    [("14x14", Grid(14, 14)), ("1x1", Grid(1, 1)), ("3x5", Grid(3, 5)), ("8x3x5", Grid(3, 5, frames=8))],
)
def test_reads_text(text: str, grid: Grid) -> None:
    assert Grid.parse(text) == grid


@given(grids)
def test_reads_what_it_prints(grid: Grid) -> None:
    assert Grid.parse(str(grid)) == grid


@pytest.mark.parametrize(
    "text", ["", "14", "14x", "x14", "14 x 14", "14X14", "-1x3", "3.5x2", "1x2x3x4", "axb", "14x14\n"]
)
def test_refuses_text_that_is_no_grid(text: str) -> None:
    with pytest.raises(ReorderKitError, match="is not a grid") as refusal:
        Grid.parse(text)
    assert "14x14" in str(refusal.value.hint)


@pytest.mark.parametrize("text", ["0x3", "3x0", "0x3x3"])
def test_refuses_a_side_without_patches(text: str) -> None:
    with pytest.raises(ReorderKitError, match="at least one patch"):
        Grid.parse(text)


@pytest.mark.parametrize("side", [14.0, 2.5, "14", None])
def test_refuses_a_side_that_is_no_whole_number(side: Any) -> None:
    for sides in ((side, 14), (14, side), (14, 14, side)):
        with pytest.raises(ReorderKitError, match="a whole number of patches in each direction, not") as refusal:
            Grid(*sides)
        assert "224 // 16" in str(refusal.value.hint)
    given: Any = np.int64(14)
    assert type(Grid(given, 2).height) is int


def test_refuses_negative_sides() -> None:
    with pytest.raises(ReorderKitError, match="at least one patch"):
        Grid(2, -1)


@pytest.mark.parametrize("text", ["99999x99999", "1x65537", "9999999999x1", "9" * 5000 + "x1", "2x256x256"])
def test_a_grid_has_a_limit(text: str) -> None:
    with pytest.raises(ReorderKitError, match="more than 65,536 patches") as error:
        Grid.parse(text)
    assert len(str(error.value)) < 200
    assert Grid.parse("256x256").num_patches == MOST_PATCHES
