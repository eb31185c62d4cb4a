"""What is done to a batch between loader and model."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, Unreadable


def to_device(batch: Batch, device: torch.device) -> Batch:
    """The batch where the model is."""
    targets = batch.targets.to(device, non_blocking=True) if isinstance(batch.targets, Tensor) else batch.targets
    return replace(batch, images=batch.images.to(device, non_blocking=True), targets=targets)


class UnreadableImages:
    """Counts the images of an epoch that could not be read, and stops the run above a limit.

    Args:
        limit: how many a process bears with in an epoch.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.found: list[Unreadable] = []

    def add(self, unreadable: tuple[Unreadable, ...]) -> None:
        """Count some.

        Raises:
            ReorderKitError: above the limit, naming the files.
        """
        self.found += unreadable
        if len(self.found) > self._limit:
            named = "\n".join(f"  {image.path}: {image.reason}" for image in self.found[:10])
            raise ReorderKitError(
                f"{len(self.found)} images could not be read, more than train.max_unreadable: {self._limit}\n{named}",
                "repair or remove them, or raise train.max_unreadable; --resume goes on from the last epoch",
            )
