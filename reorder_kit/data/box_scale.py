"""Tell of boxes that look as if they were made on smaller images, or in other units than pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reorder_kit.data.box_plausibility import BoxesOfImage, BoxFormat, edges_as_read
from reorder_kit.data.findings import Findings

# So many boxes, of so many images, do not lie in one quarter of their images by chance.
_LEAST_BOXES, _LEAST_IMAGES = 20, 5
# A share of the sides. Copies of half the size are usual, and annotators draw a little over the edge.
_NEAR = 0.52
# Of the boxes: a few images may be small.
_FEW = 0.05
_UNITS = ((100, "percent"), (1_000, "thousandths"))


def tell_of_small_scale(images: Sequence[BoxesOfImage], box_format: BoxFormat, findings: Findings) -> None:
    """Add a finding if hardly a box reaches beyond the upper left quarter of its image.

    That is likely wrong but not certain, as objects of a fixed camera may all lie there, and so is not refused.

    Args:
        images: with their boxes; boxes without width or height are passed over.
        box_format: what the numbers are taken for.
        findings: gets it.
    """
    numbers = np.array([box for image in images for box in image.numbers], dtype=np.float64).reshape(-1, 4)
    owners = np.repeat(np.arange(len(images)), [len(image.numbers) for image in images])
    with np.errstate(over="ignore", invalid="ignore"):
        edges = edges_as_read(numbers, box_format)
        has_area = (edges[:, 2:] > edges[:, :2]).all(axis=1)
    owners, ends = owners[has_area], edges[has_area, 2:]
    if len(owners) < _LEAST_BOXES or len(set(owners.tolist())) < _LEAST_IMAGES:
        return
    sides = np.array([image.size[::-1] for image in images], dtype=np.float64)[owners]
    is_near = (ends <= _NEAR * sides).all(axis=1)
    if 1 - is_near.mean() > _FEW:
        return
    wide, high = (ends / sides).max(axis=0)
    largest = ends.max()
    # A unit that is hardly used is a guess too many.
    unit = next((f"{most:,}: {name}" for most, name in _UNITS if most / 2 < largest <= most), None)
    cause = "the annotated images may have been smaller"
    if unit is not None:
        cause = f"no edge lies beyond {unit}, or {cause}"
    findings.add(
        f"boxes looked at reach no farther than {wide:.2f} of the width and {high:.2f} of the height of their images "
        f"({cause})",
        images[int(owners[0])].name,
        len(owners),
    )
