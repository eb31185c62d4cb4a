"""Saliency from a model's loss without a patch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.saliency_methods.method import SaliencyMethod
from reorder_kit.analysis.saliency_methods.pixel_patches import pixels_of
from reorder_kit.interfaces import Batch, Order, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.one_pass import one_pass
from reorder_kit.model.ordered_model import OrderedModel


class Occlusion(SaliencyMethod):
    """By how much the loss of an image changes, up or down, when a patch is replaced by that of a baseline.

    Source: Zeiler and Fergus, 2014, https://arxiv.org/abs/1311.2901, section 4.2; their gray square is our baseline. It
    takes one pass for every patch, and shows the model images that do not occur in the data.

    Args:
        baseline: an image without information, such as the mean of training images.
    """

    name = "occlusion"
    about = "change of the loss when a patch is replaced by that of the mean training image"

    def __init__(self, baseline: Float[Tensor, "channel height width"]) -> None:
        self._baseline = baseline

    @torch.no_grad()
    def measure(
        self, model: OrderedModel, task: Task, batch: Batch, order: Order, progress: Progress
    ) -> Float[Tensor, "batch patch"]:
        """Measure all images at once, one patch after another."""
        ordered = model.ordered_by(order)

        def loss(images: Float[Tensor, "batch channel height width"]) -> Float[Tensor, " batch"]:
            return one_pass(ordered, task, batch.with_images(images), progress).result.loss

        grid, device = model.facts.grid, batch.images.device
        baseline, before = self._baseline.to(device), loss(batch.images)
        changes = []
        for patch in range(grid.num_patches):
            hidden = pixels_of(patch, grid, batch.images.shape[-2], batch.images.shape[-1]).to(device)
            changes.append((loss(torch.where(hidden, baseline, batch.images)) - before).abs())
        return torch.stack(changes, dim=1)
