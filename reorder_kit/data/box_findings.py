"""Report what boxes lose at the edges of their image and in scaling."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.whole_numbers import Size
from reorder_kit.interfaces import Finding

UNCOMPARED = "annotations without a usable size cannot be compared with their images"
FLAT = "boxes without width or height are left out"
OUTSIDE = "boxes outside their images are left out"
CUT = "boxes lose more than half of their area at the edges of their images"
TINY = "boxes are smaller than a pixel after scaling"

# Tolerance for rounding in single precision.
_PIXEL = 1 - 1e-3


def box_findings(boxes: Float[Tensor, "box 4"], image: Size, scaled: Size, name: str) -> tuple[Finding, ...]:
    """Compare the boxes of an image with its size.

    Args:
        boxes: left, top, right and bottom edges, in pixels of the stored image.
        image: its height and width, in pixels.
        scaled: its height and width after scaling, in pixels.
        name: its name in findings.
    """
    (height, width), (scaled_height, scaled_width) = image, scaled
    counts = dict.fromkeys((OUTSIDE, CUT, TINY), 0)
    # Plain numbers: for a few boxes, tensors take many times as long.
    for left, top, right, bottom in boxes.tolist():
        columns, rows = min(right, width) - max(left, 0), min(bottom, height) - max(top, 0)
        if columns <= 0 or rows <= 0:
            counts[OUTSIDE] += 1
            continue
        counts[CUT] += columns * rows < (right - left) * (bottom - top) / 2
        counts[TINY] += columns * scaled_width < _PIXEL * width or rows * scaled_height < _PIXEL * height
    return tuple(Finding(what, count, name) for what, count in counts.items() if count)
