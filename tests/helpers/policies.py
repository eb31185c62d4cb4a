"""What the training loop does with a policy, for tests without one."""

from __future__ import annotations

from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from reorder_kit.interfaces import LearnerContext, OrderLearner, Pass, PatchSequence, Policy, Progress, Proposal
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

_LEARNERS: WeakKeyDictionary[Policy, OrderLearner] = WeakKeyDictionary()


def context_of(start: Order, grid: Grid | None = None, dim: int = 1) -> LearnerContext:
    """The context for a start in one line of patches, if nothing else matters."""
    return LearnerContext(
        start, grid or Grid(1, start.num_slots), dim, depth=2, target_kind="class", classes=("no", "yes")
    )


def policy_of(learner: OrderLearner, start: Order, grid: Grid | None = None, dim: int = 1) -> Any:
    """The policy of a learner, ready to be advanced."""
    policy = learner.build_policy(context_of(start, grid, dim))
    _LEARNERS[policy] = learner
    return policy


def move(policy: Policy, progress: Progress) -> None:
    """Advance a policy to a step, in the phase given by its learner."""
    policy.advance(_LEARNERS[policy].phases(progress.epochs).locate(progress))


def propose_one(policy: Policy) -> Proposal:
    """The proposal for one blank image."""
    patches = policy.best_order().num_patches
    return policy.propose(PatchSequence(torch.zeros(1, patches, 1), Grid(1, patches)))


def policy_loss(policy: Policy, proposal: Proposal, reward: Tensor) -> Tensor:
    """The policy's loss if a step makes one pass."""
    return policy.loss([Pass((proposal,), reward)])
