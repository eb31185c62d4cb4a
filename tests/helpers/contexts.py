"""Task contexts, and batches of which only the targets matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reorder_kit.interfaces import NONE, BackboneFacts, Batch, Grid, ImageShape, TargetKind, TaskContext


def facts_of(dim: int, grid: Grid | None = None) -> BackboneFacts:
    """A backbone of one level, described only by width and grid."""
    return BackboneFacts(grid or Grid(4, 4), dim, depth=1)


def context_of(
    classes: Sequence[str], facts: BackboneFacts | None = None, kind: TargetKind = NONE, image: ImageShape | None = None
) -> TaskContext:
    """The context of a task on the CPU; by default with a backbone of width 8."""
    return TaskContext(facts or facts_of(8), image or ImageShape(1, 32, 32), kind, classes)


def targets_alone(targets: Any, kind: TargetKind = NONE) -> Batch:
    """A batch whose images are not used."""
    return Batch(torch.zeros(len(targets), 1, 1, 1), targets, kind)
