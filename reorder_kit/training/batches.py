"""What is done to a batch between loader and model."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reorder_kit.interfaces import Batch


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    targets = batch.targets.to(device, non_blocking=True) if isinstance(batch.targets, Tensor) else batch.targets
    return replace(batch, images=batch.images.to(device, non_blocking=True), targets=targets)
