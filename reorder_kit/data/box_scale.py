"""Report boxes that seem to be made on smaller images, or in units other than pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reorder_kit.data.box_plausibility import BoxesOfImage, BoxFormat, edges_as_read
from reorder_kit.data.findings import Findings

# This many boxes, in this many images, do not lie in one quarter of their images by chance.
_LEAST_BOXES, _LEAST_IMAGES = 20, 5
# A share of the sides. Copies of half the size are common, and annotators draw slightly over the edge.
_NEAR = 0.52
# A share of the boxes: a few images may be small.
_FEW = 0.05
_UNITS = ((100, "percent"), (1_000, "thousandths"))


def tell_of_small_scale(images: Sequence[BoxesOfImage], box_format: BoxFormat, findings: Findings) -> None:
    """Add a finding if hardly any box reaches beyond the upper left quarter of its image.

    This is probably a mistake but not certainly: with a fixed camera, all objects may lie there. So it is not refused.

    Args:
        images: the images with their boxes; boxes without width or height are skipped.
        box_format: the format in which the numbers were read.
        findings: collects the finding.
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
    # If the boxes hardly use a unit's range, naming the unit would be too much of a guess.
    unit = next((f"{most:,}: {name}" for most, name in _UNITS if most / 2 < largest <= most), None)
    cause = "the annotated images may have been smaller"
    if unit is not None:
        cause = f"no edge lies beyond {unit}; or {cause}"
    findings.add(
        f"checked boxes reach at most {wide:.2f} of the width and {high:.2f} of the height of their images ({cause})",
        images[int(owners[0])].name,
        len(owners),
    )
