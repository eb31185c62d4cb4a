"""What is done to a batch between loader and model."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reorder_kit.interfaces import Batch, BoxTarget


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    targets = batch.targets
    if isinstance(targets, Tensor):
        targets = targets.to(device, non_blocking=True)
    elif targets and isinstance(targets[0], BoxTarget):
        targets = [target.to(device, non_blocking=True) for target in targets]
    content = None if batch.content is None else batch.content.to(device, non_blocking=True)
    return replace(batch, images=batch.images.to(device, non_blocking=True), targets=targets, content=content)
