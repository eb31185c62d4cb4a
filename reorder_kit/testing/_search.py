"""A policy led through a run that has no model: the steps, what its search is offered, and what it learns from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import (
    CLASS,
    Grid,
    LearnerContext,
    Order,
    OrderLearner,
    Pass,
    PatchSequence,
    Policy,
    Progress,
    Proposal,
)
from reorder_kit.testing.component import ComponentCase
from reorder_kit.testing.rule import SeenError, expect

STEPS_PER_EPOCH, EPOCHS, DIM = 5, 20, 3
STEPS = range(STEPS_PER_EPOCH * EPOCHS)
Reward = Callable[[Proposal, PatchSequence], Float[Tensor, " image"]]


@dataclass(frozen=True)
class LearnerCase(ComponentCase[OrderLearner]):
    """An order-learner, and what its policies order.

    Args:
        grids: of patches.
        batches: numbers of images.
    """

    grids: tuple[Grid, ...]
    batches: tuple[int, ...]

    @property
    def learner(self) -> OrderLearner:
        """Built."""
        return self.component(self.options)

    @property
    def grid(self) -> Grid:
        """A grid on which there is something to learn, for rules that need no more than one."""
        several = [grid for grid in self.grids if 4 <= grid.num_patches <= 36]
        return several[0] if several else Grid(3, 5)


@dataclass(frozen=True)
class Led:
    """A policy and its learner, which says in which phase a step is.

    Args:
        learner: the learner.
        policy: of the learner.
    """

    learner: OrderLearner
    policy: Policy

    @classmethod
    def by(cls, case: LearnerCase, start: Order, grid: Grid) -> Led:
        """A new policy from a start."""
        learner = case.learner
        context = LearnerContext(start, grid, DIM, depth=2, target_kind=CLASS, classes=("no", "yes"))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(learner, learner.build_policy(context))

    def move(self, step: int) -> None:
        """Advance to a step."""
        progress = Progress(step, STEPS_PER_EPOCH, EPOCHS, stream=1_000 + step, shared_stream=2_000 + step)
        self.policy.advance(self.learner.phases(EPOCHS).locate(progress))

    def steps_of(self, phase: str) -> list[int]:
        """The steps of a phase, in a run of 20 epochs of 5 steps."""
        found = []
        for step in STEPS:
            self.move(step)
            if self.policy.phase == phase:
                found.append(step)
        return found

    def amid_the_search(self) -> int:
        """The step in the middle of the search, to which the policy is moved."""
        steps = self.steps_of("search")
        expect(steps, f"in a run of {EPOCHS} epochs it never searches")
        self.move(steps[len(steps) // 2])
        return steps[len(steps) // 2]

    def loss(self, proposal: Proposal, reward: Float[Tensor, " image"]) -> Float[Tensor, ""]:
        """The policy's loss where a step makes one pass."""
        return self.policy.loss([Pass((proposal,), reward)])

    def objective(self, proposal: Proposal, sequence: PatchSequence) -> Float[Tensor, ""]:
        """A loss of the patches in their slots, and the policy's own loss, as in training."""
        per_image = loss_per_image(proposal, sequence)
        return per_image.mean() + self.loss(proposal, -per_image.detach())

    def learn(self, patches: int, steps: Sequence[int]) -> None:
        """Take steps."""
        optimizer = self.policy.build_optimizer()
        for step in steps:
            self.move(step)
            sequence = images(7, patches)
            self.policy.search(Trials(sequence, by_loss))
            loss = self.objective(self.policy.propose(sequence), sequence)
            if optimizer is not None and loss.requires_grad:
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()

    @property
    def learns_from_trials(self) -> bool:
        """Whether it tries proposals in a search, instead of learning from the loss."""
        return type(self.policy).search is not Policy.search


class Trials:
    """What a search is offered: the rewards of proposals on the images of a step. It counts the images it passes."""

    def __init__(self, sequence: PatchSequence, reward: Reward) -> None:
        self.sequence, self.reward = sequence, reward
        self.images = 0

    def __call__(self, proposal: Proposal | Sequence[Proposal], images: int | None = None) -> Float[Tensor, " image"]:
        """The reward of each image."""
        (one,) = [proposal] if isinstance(proposal, Proposal) else proposal
        tried = self.sequence.with_patches(self.sequence.patches[:images])
        self.images += tried.batch
        return self.reward(one, tried).detach()


def loss_per_image(proposal: Proposal, sequence: PatchSequence) -> Float[Tensor, " image"]:
    """A loss that hangs on which patch is in which slot."""
    moved = proposal.apply(sequence).patches
    weights = torch.randn(moved.shape[1:], generator=torch.Generator().manual_seed(7)).to(moved.dtype)
    return (moved * weights).sum(dim=(1, 2))


def by_loss(proposal: Proposal, sequence: PatchSequence) -> Float[Tensor, " image"]:
    """The reward that belongs to the loss."""
    return -loss_per_image(proposal, sequence)


def images(batch: int, patches: int, dtype: torch.dtype = torch.float32) -> PatchSequence:
    """Images of noise."""
    noise = torch.randn(batch, patches, DIM, generator=torch.Generator().manual_seed(batch))
    return PatchSequence(noise.to(dtype), Grid(1, patches))


def shuffled(patches: int, seed: int = 0) -> Order:
    """A random order."""
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def expect_valid(proposal: Proposal, batch: int, patches: int) -> None:
    """Go on if every image has every patch once, and shares and probabilities are such."""
    indices = proposal.order.per_image(batch)
    expect(tuple(indices.shape) == (batch, patches), f"orders of the shape {tuple(indices.shape)} for {batch} images")
    expect(proposal.order.num_patches == patches, f"orders of {proposal.order.num_patches} patches, of {patches}")
    every = torch.arange(patches).expand(batch, -1)
    if not torch.equal(indices.sort(dim=1).values, every):  # a message for each step would take longer than the step
        wrong = (indices.sort(dim=1).values != every).any(dim=1).nonzero()[0, 0]
        raise SeenError(f"an order holds not every patch once: {indices[wrong].tolist()}")
    if proposal.soft is not None:
        matrix = proposal.soft.matrix.detach()
        expect(matrix.isfinite().all(), "a share of a patch is not finite")
        expect((matrix > -1e-5).all(), f"a share of a patch is {float(matrix.min())}")
        expect(((matrix.sum(dim=-1) - 1).abs() <= 1e-4).all(), "the shares of a slot do not add up to 1")
    if proposal.log_prob is not None:
        log_prob = proposal.log_prob.detach()
        expect(len(log_prob) == len(proposal.order.indices), f"{len(log_prob)} log-probabilities")
        expect(log_prob.isfinite().all(), "a log-probability is not finite")
        expect((log_prob <= 0).all(), f"a log-probability is {float(log_prob.max())}, above 0")
