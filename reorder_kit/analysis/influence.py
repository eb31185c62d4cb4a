"""How much each slot moves the loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from reorder_kit.interfaces import Batch, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.one_pass import evaluating, one_pass
from reorder_kit.model.ordered_model import OrderedModel


@dataclass(frozen=True)
class SlotInfluence:
    """How much each slot moves the loss of some images.

    Args:
        shares: the share of each slot in the sum over all slots; all zero if no slot has influence.
        held: whether a slot held a patch of at least one image that is neither padding nor hidden.
        images: number of measured images.
    """

    shares: Float[Tensor, " slot"]
    held: Bool[Tensor, " slot"]
    images: int


def influence_profile(model: OrderedModel, task: Task, batch: Batch, progress: Progress) -> Float[Tensor, " slot"]:
    """The shares of :func:`slot_influence`."""
    return slot_influence(model, task, batch, progress).shares


def slot_influence(model: OrderedModel, task: Task, batch: Batch, progress: Progress) -> SlotInfluence:
    """The norm of the loss's gradient with respect to the patch in each slot, as shares over all slots.

    A slot outside the reach has share 0, and so has one whose gradient a backbone stops on purpose, such as the memory
    of transformer-xl. How the shares fall from the last slot to the first shows how much the model has forgotten.

    Args:
        model: the model; its best order is used.
        task: computes the loss in its step.
        batch: prepared images with targets, on the model's device.
        progress: the current step of the run.

    Raises:
        SeveralPassesError: if a step of the task reads its batch more than once.
    """
    # cuDNN's recurrent layers have no backward pass in evaluation mode.
    with evaluating(model), torch.enable_grad(), torch.backends.cudnn.flags(enabled=False):
        step = one_pass(model, task, batch, progress, differentiable=True)
        patches, loss = step.sequence.patches, step.result.loss.sum()
        # A loss that does not depend on the images at all has no graph.
        gradient = torch.autograd.grad(loss, patches, allow_unused=True)[0] if loss.requires_grad else None
    norms = (
        torch.zeros(patches.shape[1], device=patches.device)
        if gradient is None
        else gradient.float().norm(dim=-1).mean(dim=0)
    )
    shares = norms / norms.sum().clamp(min=torch.finfo(torch.float32).tiny)
    valid = step.sequence.valid
    held = torch.ones_like(norms, dtype=torch.bool) if valid is None else valid.any(dim=0)
    return SlotInfluence(shares.cpu(), held.cpu(), len(batch))
