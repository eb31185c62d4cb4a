"""How an image is cut into patches: the options all backbones share, and the shapes that follow from them.

Each frame of a clip is cut like an image.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import Field, model_validator

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ComponentOptions, ImageShape
from reorder_kit.interfaces.numbers import Size
from reorder_kit.orders.grid import Grid


class PatchOptions(ComponentOptions):
    """The patches of a recipe: their size in pixels or their number, never both."""

    patch_size: Size | tuple[Size, Size] | None = Field(
        None, description="side of a patch, or its [height, width], in pixels; or give grid"
    )
    grid: tuple[Size, Size] | None = Field(
        None, description="patches per image, [height, width], instead of patch_size; they divide its sides"
    )

    @model_validator(mode="after")
    def _says_it_once(self) -> PatchOptions:
        if self.patch_size is not None and self.grid is not None:
            raise ValueError("give patch_size (pixels) or grid (patches per image), not both")
        if self.patch_size is None and self.grid is None and self._needs_geometry():
            raise ValueError("give patch_size (pixels) or grid (patches per image, [height, width])")
        return self

    def _needs_geometry(self) -> bool:
        """Whether one of the two must be given."""
        return True


@dataclass(frozen=True)
class PatchGeometry:
    """The size of a patch and the grid of patches.

    Args:
        patch_size: height and width of a patch, in pixels.
        grid: the grid of an image or a clip.
    """

    patch_size: tuple[int, int]
    grid: Grid


def patch_geometry(options: PatchOptions, image: ImageShape) -> PatchGeometry:
    """Compute the size of a patch and the grid.

    Args:
        options: options with either ``patch_size`` or ``grid``.
        image: the shape of the images.

    Raises:
        ReorderKitError: if the patches do not fill the image exactly.

    >>> patch_geometry(PatchOptions(grid=(4, 4)), ImageShape(1, 8, 16)).patch_size
    (2, 4)
    """
    if options.grid is not None:
        rows, columns = options.grid
        if image.height % rows or image.width % columns:
            raise ReorderKitError(
                f"an image of {image.height}x{image.width} pixels cannot be cut into {rows}x{columns} patches",
                f"set grid to divisors of {image.height} and {image.width}, or resize the images",
            )
        return PatchGeometry((image.height // rows, image.width // columns), Grid(rows, columns, image.frames))
    if options.patch_size is None:
        raise ReorderKitError("no patch size is set", "give patch_size (pixels) or grid")
    size = options.patch_size
    height, width = (size, size) if isinstance(size, int) else size
    return PatchGeometry((height, width), whole_patches(height, width, image))


def whole_patches(height: int, width: int, image: ImageShape) -> Grid:
    """The grid of patches of ``height`` by ``width`` pixels.

    Raises:
        ReorderKitError: if the patches do not fill the image exactly.
    """
    if image.height % height or image.width % width:
        raise ReorderKitError(
            f"an image of {image.height}x{image.width} pixels cannot be cut into patches of {height}x{width} pixels",
            f"set patch_size to divisors of {image.height} and {image.width}, or give grid, or resize the images",
        )
    return Grid(image.height // height, image.width // width, image.frames)
