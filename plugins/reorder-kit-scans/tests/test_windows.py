"""Windows: orders worked out by hand, and agreement with padding and cutting, as LocalMamba does it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from reorder_kit_scans.windows import Windows

from reorder_kit.interfaces import Grid
from reorder_kit.testing import check_ordering


def patches(grid: str, **options: Any) -> list[int]:
    return Windows(Windows.Options.model_validate(options)).order(Grid.parse(grid)).indices.tolist()


# 3x5:  0  1 |  2  3 |  4    Windows of 2: the last column and the last row are partial ones.
#       5  6 |  7  8 |  9
#      ------+-------+---
#      10 11 | 12 13 | 14
@pytest.mark.parametrize(
    ("grid", "options", "expected"),
    [
        ("2x4", {}, [0, 1, 4, 5, 2, 3, 6, 7]),
        ("3x5", {}, [0, 1, 5, 6, 2, 3, 7, 8, 4, 9, 10, 11, 12, 13, 14]),
        ("3x5", {"window": 3}, [0, 1, 2, 5, 6, 7, 10, 11, 12, 3, 4, 8, 9, 13, 14]),
        ("2x4", {"transpose": True}, [0, 4, 1, 5, 2, 6, 3, 7]),
        ("4x4", {"transpose": True}, [0, 4, 1, 5, 8, 12, 9, 13, 2, 6, 3, 7, 10, 14, 11, 15]),
        ("2x4", {"reverse": True}, [7, 6, 3, 2, 5, 4, 1, 0]),
        ("2x3", {"window": 7}, [0, 1, 2, 3, 4, 5]),
        ("1x5", {}, [0, 1, 2, 3, 4]),
    ],
)
def test_orders_worked_out_by_hand(grid, options, expected):
    assert patches(grid, **options) == expected


@pytest.mark.parametrize("window", [2, 3, 7])
@pytest.mark.parametrize("grid", [Grid(8, 8), Grid(7, 10), Grid(14, 14), Grid(3, 16)], ids=str)
def test_padding_and_cutting_gives_the_same(grid, window):
    numbers = torch.arange(grid.num_patches).view(1, 1, grid.height, grid.width)
    padded = torch.nn.functional.pad(numbers, (0, -grid.width % window, 0, -grid.height % window), value=-1)
    cut = torch.nn.functional.unfold(padded.double(), window, stride=window)[0].T.flatten().long()
    assert patches(str(grid), window=window) == cut[cut >= 0].tolist()


def test_a_window_of_one_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 2"):
        Windows.Options.model_validate({"window": 1})


@pytest.mark.parametrize("options", [{}, {"window": 3, "flip": "vertical"}, {"window": 7, "transpose": True}])
def test_it_keeps_the_contract_of_orderings(options):
    check_ordering(Windows, options)
