"""Other image: does it matter that each image is read in its own order?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from reorder_kit.interfaces import Batch, Model, Order
from reorder_kit.interfaces.control import EvaluatedControl


class OtherImage(EvaluatedControl):
    """Each image is read in the order that the policy chose for another image.

    If the result stays the same, the order need not depend on the image.

    The other image is the next one in a random batch. It is therefore any other image of the split with equal
    probability, and every order of a batch is used once: both sides use the same orders equally often, and only their
    match with the images is lost. An image that is alone in its batch is left out.
    """

    name = "other-image"
    words = "each image in the order of another image"
    needs = frozenset({"dynamic"})

    def comparable(self, batch: Batch, classes: Sequence[str]) -> Batch:
        """Images that have a partner in the batch. The partners are among these images."""
        has_partner = self.may_lend(batch, classes).any(dim=1)
        return batch if has_partner.all() else batch.take(has_partner.nonzero().squeeze(1))

    def change(self, model: Model, batch: Batch, classes: Sequence[str]) -> tuple[Model, Batch]:
        """The model, which reads each image in its partner's order before every block."""
        partner = next_allowed(self.may_lend(batch, classes))
        lent = [
            replace(proposal, order=_of_partner(proposal.order, partner), soft=None, log_prob=None, is_exact=True)
            for proposal in model.read(batch).proposals
        ]
        return model.ordered_by(*lent), batch

    def may_lend(self, batch: Batch, classes: Sequence[str]) -> Bool[Tensor, "image partner"]:
        """Whether an image may be read in the order of a partner, which is never the image itself."""
        return ~torch.eye(len(batch), dtype=torch.bool, device=batch.images.device)


def next_allowed(allowed: Bool[Tensor, "image partner"]) -> Int[Tensor, " image"]:
    """The next allowed partner of each image, wrapping around; each image needs one.

    >>> next_allowed(torch.tensor([[0, 1, 1], [1, 0, 0], [1, 1, 0]]) == 1).tolist()
    [1, 0, 0]
    """
    images = torch.arange(len(allowed), device=allowed.device)
    steps = (images - images[:, None]) % len(allowed)
    return steps.masked_fill(~allowed, len(allowed)).argmin(dim=1)


def _of_partner(order: Order, partner: Int[Tensor, " image"]) -> Order:
    if order.is_static:  # for instance, before a block where this policy does not look at the image
        return order
    return Order.trusted(order.per_image(len(partner))[partner], order.num_patches)
