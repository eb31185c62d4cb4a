"""The one way to cut images and clips into patches, and back."""

from __future__ import annotations

from jaxtyping import Shaped
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.image_shape import ImageShape


def cut(images: Shaped[Tensor, "batch channel *frame height width"], grid: Grid) -> Shaped[Tensor, "batch patch pixel"]:
    """Cut images or clips into row-major patches.

    Args:
        images: images, or clips with as many frames as the grid.
        grid: the patches of one image or clip.

    Returns:
        The pixels of each patch by channel, row and column.

    Raises:
        ReorderKitError: if the grid does not divide the images.

    >>> import torch
    >>> cut(torch.arange(8).reshape(1, 1, 2, 4), Grid(1, 2)).tolist()
    [[[0, 1, 4, 5], [2, 3, 6, 7]]]
    """
    by_tile = tiles(images, grid).permute(0, 2, 3, 5, 1, 4, 6)
    batch, channels, height, width = by_tile.shape[0], *by_tile.shape[4:]
    return by_tile.reshape(batch, grid.num_patches, channels * height * width)


def paste(
    patches: Shaped[Tensor, "batch patch pixel"], grid: Grid, image: ImageShape
) -> Shaped[Tensor, "batch channel *frame height width"]:
    """Put patches back together into the images or clips that they were cut from.

    Args:
        patches: the patches, row-major, with their pixels by channel, row and column.
        grid: the grid that they were cut with.
        image: the shape of the result.

    Raises:
        ReorderKitError: if the grid does not divide the images, or patches have another shape.

    >>> import torch
    >>> images = torch.rand(2, 3, 4, 6)
    >>> torch.equal(paste(cut(images, Grid(2, 3)), Grid(2, 3), ImageShape(3, 4, 6)), images)
    True
    """
    _check_division(image.frames, image.height, image.width, grid)
    height, width = image.height // grid.height, image.width // grid.width
    expected = (grid.num_patches, image.channels * height * width)
    if tuple(patches.shape[1:]) != expected:
        raise ReorderKitError(
            f"an image of {image} in a {grid} grid has {expected[0]} patches of {expected[1]} values, "
            f"not {' of '.join(map(str, patches.shape[1:]))}"
        )
    by_tile = patches.reshape(-1, grid.frames, grid.height, grid.width, image.channels, height, width)
    return by_tile.permute(0, 4, 1, 2, 5, 3, 6).reshape(-1, *image.axes)


def tiles(
    images: Shaped[Tensor, "batch channel *frame height width"], grid: Grid
) -> Shaped[Tensor, "batch channel frame row y column x"]:
    """Images or clips with rows and columns split by patch, for sums over patches; no data is moved.

    Raises:
        ReorderKitError: if the grid does not divide the images.
    """
    clips = images if images.ndim == 5 else images.unsqueeze(2)
    frames, height, width = clips.shape[2:]
    _check_division(frames, height, width, grid)
    return clips.reshape(*clips.shape[:3], grid.height, height // grid.height, grid.width, width // grid.width)


def _check_division(frames: int, height: int, width: int, grid: Grid) -> None:
    if frames != grid.frames:
        raise ReorderKitError(f"a {grid} grid is for {_clips(grid.frames)}, not for {_clips(frames)}")
    if height % grid.height or width % grid.width:
        raise ReorderKitError(
            f"an image of {height}x{width} pixels cannot be cut into {grid.height}x{grid.width} patches",
            f"use a grid whose sides divide {height} and {width}, or resize the images",
        )


def _clips(frames: int) -> str:
    return "single images" if frames == 1 else f"clips of {frames} frames"
