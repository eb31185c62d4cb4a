"""How much each slot moves the loss."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Batch, Task
from reorder_kit.ordered_model import OrderedModel


def influence_profile(model: OrderedModel, task: Task, batch: Batch) -> Float[Tensor, " slot"]:
    """Norm of the loss's gradient with respect to the patch in each slot, as shares of all slots.

    A slot outside the reach has share 0, and so has one that a backbone stops the gradient to on purpose, as the memory
    of transformer-xl; how the shares fall from the last slot to the first is how much the model has
    forgotten.

    Args:
        model: the model; its best order is used.
        task: gives the loss.
        batch: images with targets, on the model's device.
    """
    was_training = model.training
    model.eval()
    # cuDNN's recurrent layers have no backward pass in evaluation mode.
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        ordered = model.order_patches(batch.images, content=batch.content)
        patches = ordered.sequence.patches.detach().requires_grad_()
        encoded = model.backbone.encode(ordered.sequence.with_patches(patches))
        features = model.features(encoded, ordered.proposal, batch.images, batch.content)
        loss = task.loss_per_image(model.head(features), batch.targets).sum()
        (gradient,) = torch.autograd.grad(loss, patches)
    model.train(was_training)
    norms: Float[Tensor, " slot"] = gradient.float().norm(dim=-1).mean(dim=0)
    return norms / norms.sum().clamp(min=torch.finfo(torch.float32).tiny)
