"""A backbone's features as maps."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Features, PatchSequence
from reorder_kit.layers.levels import without_padding


def level_maps(features: Features) -> list[Float[Tensor, "batch dim row column"]]:
    """A map of each level, finest first; a plain backbone has one.

    Patches of padding, and those that a partial order left out, are zero, like a convolution's own padding.
    """
    return [on_grid(without_padding(level), level) for level in features.pyramid()]


def on_grid(
    values: Float[Tensor, "batch patch channel"], sequence: PatchSequence
) -> Float[Tensor, "batch channel row column"]:
    """Values of row-major patches as a map."""
    batch, _, channels = values.shape
    return values.transpose(1, 2).reshape(batch, channels, sequence.grid.height, sequence.grid.width)
