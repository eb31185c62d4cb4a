"""The interface of the ordered model, as a task sees it."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable

from jaxtyping import Bool
from torch import Tensor, nn

from reorder_kit.interfaces.backbone import Backbone, BackboneFacts
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.features import Features, ModelOutput
from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal


@runtime_checkable
class Model(Protocol):
    """Tokenize, order, encode, head. In training the policy proposes; otherwise its best order is used.

    Use ``backbone``, ``head`` and ``state`` only for their parameters: a task that calls them directly skips the orders
    before later blocks.
    """

    training: bool
    backbone: Backbone
    head: nn.Module
    state: nn.Module | None

    @property
    def facts(self) -> BackboneFacts:
        """What the backbone declares."""
        ...

    def __call__(self, batch: Batch) -> ModelOutput:
        """Read a batch and apply the head."""
        ...

    def read(self, batch: Batch, keep: Bool[Tensor, "batch patch"] | None = None) -> Features:
        """Tokenize, order before every block that the policy names, encode: the only way to read images.

        Args:
            batch: the images.
            keep: which row-major patches the backbone sees, equally many in each image; None for all. The policy sees
                hidden ones as zeros marked invalid, and they are dropped after its first order.
        """
        ...

    def ordered_by(self, *orders: Proposal | Order | Policy, sample: bool = False) -> Self:
        """The same model, reading in these orders: proposals (one for each block), one order, or another policy.

        Args:
            orders: the orders to read in.
            sample: for a policy, use its proposals, as in training, instead of its best order.
        """
        ...

    def with_parts(
        self, backbone: Backbone | None = None, head: nn.Module | None = None, state: nn.Module | None = None
    ) -> Self:
        """The same model with other parts, such as a teacher's or averaged weights; None keeps a part."""
        ...
