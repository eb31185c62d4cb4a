"""Embeds images as a row-major sequence of patches."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import ImageShape, PatchSequence
from reorder_kit.layers.patch_geometry import PatchGeometry
from reorder_kit.layers.positions import AbsolutePositions, Positions


class PatchEmbedding(nn.Module):
    """One linear map for every patch of an image, or of each frame of a clip, plus its absolute position.

    Args:
        image: the images or clips.
        geometry: their division into patches.
        dim: width of the embedding.
        positions: the kind of absolute positions.
    """

    def __init__(self, image: ImageShape, geometry: PatchGeometry, dim: int, positions: Positions) -> None:
        super().__init__()
        self.image = image
        self.grid = geometry.grid
        self.projection = nn.Conv2d(image.channels, dim, geometry.patch_size, geometry.patch_size)
        self.positions = AbsolutePositions(positions, geometry.grid, dim)

    def forward(self, images: Float[Tensor, "batch channels *frame height width"]) -> PatchSequence:
        """Cut and embed.

        Raises:
            ReorderKitError: if the images have another shape than the model was built for.
        """
        if tuple(images.shape[1:]) != self.image.axes:
            given = "x".join(str(size) for size in images.shape[1:])
            raise ReorderKitError(f"a model built for images of {self.image} was given images of {given}")
        frames = images if images.ndim == 4 else images.transpose(1, 2).flatten(0, 1)
        patches = self.projection(frames).flatten(2).transpose(1, 2)
        if images.ndim == 5:
            patches = patches.unflatten(0, (-1, self.grid.frames)).flatten(1, 2)
        return PatchSequence(self.positions(patches), self.grid)
