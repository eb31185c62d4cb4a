"""What a task knows about a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from reorder_kit.interfaces.backbone import BackboneFacts
from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.orders.image_shape import ImageShape


@dataclass(frozen=True)
class TaskContext:
    """What is known once data and backbone are chosen.

    Args:
        facts: what the backbone declares.
        image: the shape of an image.
        kind: the kind of targets that the batches of this run have.
        classes: names of the classes, by number.
        fitted: what :meth:`Task.fit` returned.
        device: where the model is.
    """

    facts: BackboneFacts
    image: ImageShape
    kind: TargetKind
    classes: Sequence[str]
    fitted: Mapping[str, Any] = field(default_factory=dict)
    device: torch.device | str = "cpu"
