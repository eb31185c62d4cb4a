"""Segment search: move whole segments of an order to where the gradient of the loss favors them."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.numbers import Count
from reorder_kit.interfaces.order_learner import Evaluate, LearnerContext, OrderLearner
from reorder_kit.order_learners._guided_moves import GuidedMoves
from reorder_kit.order_learners._trials import TrialLearner, TrialOptions, TrialPolicy, random_orders
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence
from reorder_kit.orders.soft_permutation import SoftPermutation


class SegmentSearch(TrialLearner):
    """Learn from the gradient which patches should be neighbors, and try moves that join them.

    Good fragments in the wrong places are a local optimum of an order: swapping patches does not escape it, nor does
    the gradient of a soft permutation, which moves one patch at a time. Here, whole segments move. A *guide* tells
    which patches should be neighbors: a running mean of minus the gradient with respect to the permutation matrix. In
    the slots next to patch ``p``, it says for each patch ``q`` whether the loss favors more of it. At first, random
    orders let every pair meet. Candidates are moves that join such a pair, and are tried on images.

    A gradient is a slope at patches that occur, and between them a network may bend the other way. On
    ``planted-chain``, where a pixel is 1 or -1, the guide learns to tell hidden neighbors from other pairs, but in five
    of eight runs it ranked them as the pairs that the loss favors least. So half of the candidates follow the guide,
    and half the opposite. Without ``search_epochs``, the search takes half of the run.

    Source: this project. The moves are those of local search for the traveling salesman problem: Croes, "A Method for
    Solving Traveling-Salesman Problems", 1958 (2-opt), and Or, 1976 (Or-opt).
    """

    name = "segment-search"

    class Options(TrialOptions):
        guide_steps: Count | None = Field(
            None, description="steps that the guide averages over; null: 12.5 times the root of the number of patches"
        )

    options: Options

    def build_policy(self, context: LearnerContext) -> SegmentSearchPolicy:
        """The policy, which begins with the starting order and an empty guide."""
        return SegmentSearchPolicy(self.options, context.start)


class SegmentSearchPolicy(TrialPolicy):
    """The best order, and the guide.

    The guide is a parameter that enters the permutation matrix with its gradient, but not with its value. Gradient
    descent with a weight decay of one makes it a running mean of minus that gradient; so processes average it, and a
    resumed run continues with it, like any other parameter.
    """

    def __init__(self, options: SegmentSearch.Options, start: Order) -> None:
        super().__init__(options, start)
        self.options = options
        self.guide = nn.Parameter(torch.zeros(len(self.indices), len(self.indices)))

    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """While searching, the best order (at first a random one), exact and with a gradient; else the best order.

        All images of a batch share one order: the gradient is that of one matrix.
        """
        if self.phase != "search":
            return Proposal(self.best_order(), block=block)
        order = self.best_order()
        if not self.is_trying:
            shuffled = random_orders(1, len(self.indices), self.generator)[0]
            order = Order.trusted(shuffled.to(self.indices.device), len(self.indices))
        return Proposal.straight_through(order, SoftPermutation(neighbour_sum(self.guide[order.indices])), block)

    def build_optimizer(self) -> torch.optim.Optimizer:
        """The running mean of minus the gradient, as gradient descent: ``guide -= rate * (gradient + guide)``."""
        steps = self.options.guide_steps or 12.5 * math.sqrt(len(self.indices))
        return torch.optim.SGD([self.guide], lr=1 / steps, weight_decay=1.0)

    def search(self, evaluate: Evaluate) -> None:
        """Try moves."""
        if self.is_trying and len(self.indices) > 1:
            attraction, generator = self.attraction(), self.shared_generator
            guides = [GuidedMoves(self.indices.cpu(), sign * attraction) for sign in (1, -1)]
            followed = torch.randint(len(guides), (self.options.candidates,), generator=generator).tolist()
            self.try_candidates(evaluate, torch.tensor([guides[which].draw(generator) for which in followed]))

    def attraction(self) -> Float[Tensor, "patch patch"]:
        """How strongly the loss favors two patches side by side; symmetric, on the CPU.

        What a slot would gain from any patch, such as from the embedding's bias, says nothing about pairs.
        """
        # A guide that is NaN or infinite makes moves at random; the training loop reports the loss.
        guide = self.guide.detach().double().cpu().nan_to_num(0.0, 0.0, 0.0)
        guide = guide - guide.mean(dim=1, keepdim=True)
        return (guide + guide.T).fill_diagonal_(0.0)


def neighbour_sum(rows: Float[Tensor, "slot patch"]) -> Float[Tensor, "slot patch"]:
    """For each slot, the sum of the rows of the neighboring slots."""
    return F.pad(rows[:-1], (0, 0, 1, 0)) + F.pad(rows[1:], (0, 0, 0, 1))


@hookimpl
def register_order_learners() -> list[type[OrderLearner]]:
    """Register the learner."""
    return [SegmentSearch]
