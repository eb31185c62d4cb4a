"""Cutting images and clips into patches, and back, against the simplest implementation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape
from reorder_kit.orders.patches import cut, paste, tiles

sides = st.integers(1, 4)


@st.composite
def cuttable(draw: st.DrawFn) -> tuple[Tensor, Grid, ImageShape]:
    """Numbered pixels, a grid that divides them, and their shape."""
    grid = Grid(draw(sides), draw(sides), draw(st.integers(1, 3)))
    image = ImageShape(draw(sides), grid.height * draw(sides), grid.width * draw(sides), grid.frames)
    shape = (draw(st.integers(0, 3)), *image.axes)
    return torch.arange(torch.Size(shape).numel()).reshape(shape), grid, image


def cut_by_hand(images: Tensor, grid: Grid) -> list[list[list[Any]]]:
    """Patch by patch and pixel by pixel."""
    clips = images if images.ndim == 5 else images[:, :, None]
    height, width = clips.shape[3] // grid.height, clips.shape[4] // grid.width
    return [
        [
            [
                int(clip[channel, frame, row * height + y, column * width + x])
                for channel in range(clips.shape[1])
                for y in range(height)
                for x in range(width)
            ]
            for frame in range(grid.frames)
            for row in range(grid.height)
            for column in range(grid.width)
        ]
        for clip in clips
    ]


@given(cuttable())
def test_patches_are_row_major_and_pixels_by_channel_row_and_column(given: tuple[Tensor, Grid, ImageShape]) -> None:
    images, grid, image = given
    patches = cut(images, grid)
    pixels = image.channels * image.height * image.width // (grid.height * grid.width)
    assert patches.shape == (len(images), grid.num_patches, pixels)
    assert patches.tolist() == cut_by_hand(images, grid)


@given(cuttable())
def test_pasting_undoes_cutting(given: tuple[Tensor, Grid, ImageShape]) -> None:
    images, grid, image = given
    assert torch.equal(paste(cut(images, grid), grid, image), images)


@given(cuttable())
def test_tiles_are_a_view_with_rows_and_columns_split(given: tuple[Tensor, Grid, ImageShape]) -> None:
    images, grid, _ = given
    split = tiles(images, grid)
    assert split.data_ptr() == images.data_ptr()
    by_patch = split.sum(dim=(1, 4, 6)).flatten(1)
    assert torch.equal(by_patch, cut(images, grid).sum(dim=2))


def test_a_patch_of_a_clip_is_numbered_by_frame_row_and_column() -> None:
    grid = Grid(2, 3, frames=4)
    clips = torch.zeros(1, 2, 4, 4, 6)
    clips[0, :, 2, 2:4, 4:6] = 1
    assert cut(clips, grid)[0].any(dim=1).nonzero().flatten().tolist() == [grid.index(row=1, column=2, frame=2)]


def test_gradients_flow_both_ways() -> None:
    images = torch.randn(1, 1, 4, 4, requires_grad=True)
    weights = torch.arange(16.0).reshape(1, 4, 4)
    (cut(images, Grid(2, 2)) * weights).sum().backward()
    assert images.grad is not None
    assert torch.equal(images.grad, paste(weights, Grid(2, 2), ImageShape(1, 4, 4)))


@pytest.mark.parametrize(
    ("shape", "grid", "message"),
    [
        ((1, 1, 8, 8), Grid(3, 4), "8x8 pixels cannot be cut into 3x4 patches"),
        ((1, 1, 8, 8), Grid(4, 5), "8x8 pixels cannot be cut into 4x5 patches"),
        ((1, 1, 8, 8), Grid(16, 4), "8x8 pixels cannot be cut into 16x4 patches"),
        ((1, 1, 8, 8), Grid(2, 2, frames=3), "a 3x2x2 grid is for clips of 3 frames, not for single images"),
        ((1, 1, 2, 8, 8), Grid(2, 2, frames=3), "clips of 3 frames, not for clips of 2 frames"),
        ((1, 1, 2, 8, 8), Grid(2, 2), "a 2x2 grid is for single images, not for clips of 2 frames"),
    ],
)
def test_a_grid_that_does_not_divide_the_images_is_refused(shape: tuple[int, ...], grid: Grid, message: str) -> None:
    images = torch.zeros(shape)
    frames = shape[2] if len(shape) == 5 else 1
    with pytest.raises(ReorderKitError, match=message):
        cut(images, grid)
    with pytest.raises(ReorderKitError, match=message):
        paste(torch.zeros(1, grid.num_patches, 1), grid, ImageShape(1, 8, 8, frames))


def test_patches_of_another_image_are_refused() -> None:
    patches = torch.zeros(2, 4, 12)
    with pytest.raises(ReorderKitError, match="image of 1x4x4 in a 2x2 grid has 4 patches of 4 values, not 4 of 12"):
        paste(patches, Grid(2, 2), ImageShape(1, 4, 4))
    with pytest.raises(ReorderKitError, match="has 2 patches of 24 values, not 4 of 12"):
        paste(patches, Grid(1, 2), ImageShape(3, 4, 4))
