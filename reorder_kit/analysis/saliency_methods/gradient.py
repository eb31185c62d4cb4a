"""Saliency from the gradient of the loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.saliency_methods.method import SaliencyMethod
from reorder_kit.analysis.saliency_methods.pixel_patches import sum_over_pixels
from reorder_kit.interfaces import Batch, Order, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.one_pass import one_pass
from reorder_kit.model.ordered_model import OrderedModel


class Gradient(SaliencyMethod):
    """The gradient with respect to the pixels times their distance from a baseline, summed over a patch, absolute.

    That is gradient times input (Shrikumar et al., 2016, https://arxiv.org/abs/1605.01713) with a baseline instead of
    zero: an estimate, for the price of one backward pass, of how much the loss would change without the patch. It
    equals occlusion if the loss is linear in the pixels. It sees nothing if a model is so confident that its loss is
    flat, or stops a gradient on purpose, as transformer-xl does at its memory.

    Args:
        baseline: an image without information, such as the mean of training images.
    """

    name = "gradient"
    about = "slope of the loss times distance from the mean training image"

    def __init__(self, baseline: Float[Tensor, "channel height width"]) -> None:
        self._baseline = baseline

    def measure(
        self, model: OrderedModel, task: Task, batch: Batch, order: Order, progress: Progress
    ) -> Float[Tensor, "batch patch"]:
        """Run one forward and one backward pass."""
        images = batch.images.detach().requires_grad_()
        # cuDNN's recurrent layers have no backward pass in evaluation mode.
        with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
            step = one_pass(model.ordered_by(order), task, batch.with_images(images), progress)
            loss = step.result.loss.sum()
            slope = torch.autograd.grad(loss, images, allow_unused=True)[0] if loss.requires_grad else None
        if slope is None:  # the loss does not depend on the images
            return batch.images.new_zeros(len(batch), model.facts.grid.num_patches)
        change = slope * (self._baseline.to(images.device) - batch.images)
        return sum_over_pixels(change, model.facts.grid).abs()
