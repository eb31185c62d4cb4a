"""What a policy learns from: one reading of a batch and its reward."""

from __future__ import annotations

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from reorder_kit.orders.proposal import Proposal


@dataclass(frozen=True)
class Pass:
    """One reading of a batch by a task; a task may make several in a step.

    Args:
        proposals: what the policy proposed, one for each block before which it orders, as it returned them.
        reward: the reward of each image, without gradient.
        view: which view of the images was read; 0 is the batch itself.
    """

    proposals: tuple[Proposal, ...]
    reward: Float[Tensor, " batch"]
    view: int = 0
