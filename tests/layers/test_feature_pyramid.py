"""The simple feature pyramid."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from reorder_kit.layers.feature_pyramid import FeaturePyramid, SimpleFeaturePyramid, check_scales


def test_levels_come_finest_first_whatever_the_scales_were_listed_in() -> None:
    pyramid = SimpleFeaturePyramid(6, 8, scales=(0.5, 4.0, 1.0, 2.0))
    assert pyramid.scales == (4.0, 2.0, 1.0, 0.5)
    shapes = [tuple(level.shape) for level in pyramid(torch.randn(2, 6, 4, 6))]
    assert shapes == [(2, 8, 16, 24), (2, 8, 8, 12), (2, 8, 4, 6), (2, 8, 2, 3)]


@pytest.mark.parametrize(("sides", "expected"), [((5, 7), (3, 4)), ((1, 1), (1, 1)), ((2, 3), (1, 2))])
def test_an_odd_side_loses_no_patch(sides: tuple[int, int], expected: tuple[int, int]) -> None:
    [level] = SimpleFeaturePyramid(6, 8, scales=(0.5,))(torch.randn(1, 6, *sides))
    assert tuple(level.shape[2:]) == expected


def test_a_patch_changes_its_neighbourhood_in_every_level_and_nothing_else() -> None:
    torch.manual_seed(0)
    pyramid = SimpleFeaturePyramid(6, 8).double()
    image = torch.randn(1, 6, 16, 16, dtype=torch.float64)
    changed = image.clone()
    changed[:, :, 8, 2] += 100
    for scale, level, other in zip(pyramid.scales, pyramid(image), pyramid(changed), strict=True):
        rows, columns = (level - other).abs().amax(dim=(0, 1)).nonzero().T
        # The cells of the patch, and one more on every side, from the 3x3 convolution.
        first_row, first_column = int(8 * scale) - 1, int(2 * scale) - 1
        side = max(1, int(scale)) + 2
        assert (int(rows.min()), int(columns.min())) == (first_row, max(0, first_column))
        assert int(rows.max()) == first_row + side - 1
        assert int(columns.max()) == first_column + side - 1


def test_the_pooled_level_is_the_maximum_of_four_patches() -> None:
    [level] = SimpleFeaturePyramid(1, 1, scales=(0.5,)).levels
    assert isinstance(level, nn.Sequential)
    patches = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert level[0](patches).flatten().tolist() == [5, 7, 13, 15]


@pytest.mark.parametrize("scales", [(), (3.0,), (0.0,), (-2.0,), (float("inf"),), (float("nan"),), (2.0, 2.0)])
def test_other_scales_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="pyramid"):
        check_scales(scales)
    with pytest.raises(ValueError, match="pyramid"):
        SimpleFeaturePyramid(4, 4, scales)


def test_a_pyramid_of_levels_takes_each_map_from_the_level_of_its_size_or_the_nearest() -> None:
    pyramid = FeaturePyramid([4, 6], 8, scales=(0.25, 2.0, 1.0, 0.5))
    assert pyramid.scales == (2.0, 1.0, 0.5, 0.25)
    assert pyramid.sources == [0, 0, 1, 1]
    maps = pyramid(torch.randn(2, 4, 4, 8), torch.randn(2, 6, 2, 4))
    assert [tuple(each.shape) for each in maps] == [(2, 8, 8, 16), (2, 8, 4, 8), (2, 8, 2, 4), (2, 8, 1, 2)]


@torch.no_grad()
def test_a_pyramid_of_levels_hands_the_coarse_map_down_and_no_fine_one_up() -> None:
    torch.manual_seed(0)
    pyramid = FeaturePyramid([4, 6], 8, scales=(1.0, 0.5)).double()
    fine, coarse = torch.randn(1, 4, 8, 8, dtype=torch.float64), torch.randn(1, 6, 4, 4, dtype=torch.float64)
    before = pyramid(fine, coarse)
    coarse_changed = pyramid(fine, coarse.index_fill(3, torch.tensor([0]), 5.0))
    fine_changed = pyramid(fine.index_fill(3, torch.tensor([0]), 5.0), coarse)
    columns = [(one - other).abs().amax(dim=(0, 1, 2)) > 0 for one, other in zip(before, coarse_changed, strict=True)]
    # Column 0 of the coarse map is columns 0 and 1 of the fine one; a 3x3 convolution reaches one further.
    assert [each.tolist() for each in columns] == [[True] * 3 + [False] * 5, [True] * 2 + [False] * 2]
    columns = [(one - other).abs().amax(dim=(0, 1, 2)) > 0 for one, other in zip(before, fine_changed, strict=True)]
    assert [each.tolist() for each in columns] == [[True] * 2 + [False] * 6, [False] * 4]


@pytest.mark.parametrize(
    ("scales", "sources", "read"),
    [
        ((2.0, 1.0, 0.5), [0, 0, 1, 2, 3], [0, 1, 2, 3]),
        ((1.0,), [0, 1, 2, 3], [0, 1, 2, 3]),
        ((2.0, 0.25), [0, 0, 1, 2, 3], [0, 1, 2, 3]),
        ((0.5, 0.0625), [1, 2, 3, 3], [1, 2, 3]),
    ],
)
def test_every_level_no_finer_than_the_finest_map_is_read(
    scales: tuple[float, ...], sources: list[int], read: list[int]
) -> None:
    torch.manual_seed(0)
    pyramid = FeaturePyramid([4, 6, 8, 10], 8, scales)
    assert pyramid.sources == sources
    levels = [torch.randn(2, 4 + 2 * level, 16 >> level, 32 >> level, requires_grad=True) for level in range(4)]
    maps = pyramid(*levels)
    assert [each.shape[2] for each in maps] == [int(16 * scale) for scale in scales]
    # For the finest map alone: all others are coarser, so it depends on every level.
    (maps[0] * torch.randn_like(maps[0])).sum().backward()
    assert [level for level, values in enumerate(levels) if values.grad is not None and values.grad.any()] == read


@pytest.mark.parametrize("scales", [(), (1.0, 1.0), (3.0,)])
def test_a_pyramid_of_levels_refuses_scales_as_the_simple_one_does(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="scale"):
        FeaturePyramid([4, 6], 4, scales)
