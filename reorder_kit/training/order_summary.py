"""One order for a policy: its best order, or the consensus of the orders that it gives to images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, Policy, Task
from reorder_kit.model.backbone_checks import reach_of_slots
from reorder_kit.model.order_checks import check_order
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.policy_checks import policy_error
from reorder_kit.orders.order import Order

EXAMPLES = 4


@dataclass(frozen=True)
class OrderSummary:
    """A summary of a policy's orders, in patches of the image.

    Args:
        order: the best order of a static policy, composed over its blocks; else the consensus order.
        spread: for a dynamic policy, the mean Kendall distance of the images' orders to the consensus, from 0 (all the
            same) to 1; None for a static one.
        examples: for a dynamic policy, the orders of some images.
    """

    order: Order
    spread: float | None = None
    examples: tuple[Order, ...] = ()

    @property
    def is_consensus(self) -> bool:
        """Whether images differ in their orders."""
        return self.spread is not None


def reach_of(model: OrderedModel, task: Task, num_slots: int) -> Bool[Tensor, " slot"] | None:
    """Which slots have a path to the readout; None if patches are ordered again before a later block."""
    if model.policy.blocks != (0,):
        return None
    # The head of a dense task reads every slot directly.
    return torch.ones(num_slots, dtype=torch.bool) if task.is_dense else reach_of_slots(model.backbone, num_slots)


def static_order(policy: Policy, patches: int) -> Order:
    """The best order of a static policy, composed over its blocks, on the CPU.

    Args:
        policy: the policy.
        patches: the number of patches of an image.

    Raises:
        ComponentError: if it does not give such an order.
        ReorderKitError: if the policy is dynamic.
    """
    first, *later = sorted(policy.blocks)
    order = _static(policy, first, patches)
    for block in later:
        order = order.compose(_static(policy, block, order.num_slots))
    return order


def _static(policy: Policy, block: int, patches: int) -> Order:
    order = check_order(policy.best_order(None, block), policy, patches)
    if not order.is_static:
        raise policy_error(policy, "is_static is True, but each image has its own order", "set is_static = False")
    return order


@torch.no_grad()
def consensus(orders: Int[Tensor, "image slot"], num_patches: int) -> OrderSummary:
    """The consensus of the orders of some images: patches sorted by mean rank, where absent patches rank last.

    Args:
        orders: the patch in each slot of each image.
        num_patches: patches of an image.

    >>> consensus(torch.tensor([[0, 1, 2], [0, 2, 1], [0, 1, 2]]), 3).order.indices.tolist()
    [0, 1, 2]
    """
    each = [Order(row, num_patches) for row in orders.cpu()]
    mean_rank = torch.stack([order.rank_with_absent_last for order in each]).double().mean(dim=0)
    agreed = Order(mean_rank.argsort(stable=True)[: orders.shape[1]], num_patches)
    distances = [(1 - order.kendall_tau(agreed)) / 2 for order in each]
    return OrderSummary(agreed, sum(distances) / len(distances), tuple(each[:EXAMPLES]))


@torch.no_grad()
def summarize_orders(model: OrderedModel, policy: Policy, batches: Iterable[Batch]) -> OrderSummary:
    """The best order of a static policy, or the consensus over images.

    Args:
        model: the model, in evaluation mode, which reads the images.
        policy: its policy.
        batches: a fixed set of images, on the model's device; not used for a static policy.

    Raises:
        ReorderKitError: if a dynamic policy has no image to order.
    """
    if policy.is_static:
        model.order_checks.settle(policy)
        return OrderSummary(static_order(policy, model.facts.grid.num_patches))
    found: list[Tensor] = []
    num_patches = 0
    was_training = model.training
    model.train(False)
    for batch in batches:
        if len(batch):
            order = model.read(batch).order
            num_patches = order.num_patches
            found.append(order.per_image(len(batch)).cpu())
    model.train(was_training)
    model.order_checks.settle(policy)
    if not found:
        raise ReorderKitError("the order depends on the image, and no validation image could be read")
    return consensus(torch.cat(found), num_patches)
