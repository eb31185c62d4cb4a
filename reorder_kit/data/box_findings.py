"""Tell what boxes lose at the edges of their image, and to scaling."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.whole_numbers import Size
from reorder_kit.interfaces import Finding

UNCOMPARED = "annotations without a usable size are not compared with their images"
FLAT = "boxes without width or height are left out"
OUTSIDE = "boxes outside of their images are left out"
CUT = "boxes lose more than half of their area at the edges of their images"
TINY = "boxes are smaller than a pixel after scaling"

# Of rounding in single precision.
_PIXEL = 1 - 1e-3


def box_findings(boxes: Float[Tensor, "box 4"], image: Size, scaled: Size, name: str) -> tuple[Finding, ...]:
    """Compare the boxes of an image with the image.

    Args:
        boxes: left, top, right and bottom edge, pixels of the image as it lies in its file.
        image: its height and width, pixels.
        scaled: the height and width that it will have, pixels.
        name: how to call it.
    """
    if not len(boxes):
        return ()
    (height, width), (scaled_height, scaled_width) = image, scaled
    inside = boxes.clamp(min=0).minimum(torch.tensor([width, height] * 2))
    sides, whole_sides = inside[:, 2:] - inside[:, :2], boxes[:, 2:] - boxes[:, :2]
    is_outside = (sides <= 0).any(dim=1)
    is_cut = ~is_outside & (sides.prod(dim=1) < whole_sides.prod(dim=1) / 2)
    is_tiny = ~is_outside & (sides * torch.tensor([scaled_width / width, scaled_height / height]) < _PIXEL).any(dim=1)
    counts = {what: int(mark.sum()) for what, mark in ((OUTSIDE, is_outside), (CUT, is_cut), (TINY, is_tiny))}
    return tuple(Finding(what, count, name) for what, count in counts.items() if count)
