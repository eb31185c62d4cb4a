"""A policy led through a run without a model: its steps, the trials of its search, and its rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import (
    CLASS,
    Batch,
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
from reorder_kit.orders.patches import cut
from reorder_kit.testing.component import ComponentCase
from reorder_kit.testing.rule import SeenError, expect

STEPS_PER_EPOCH, EPOCHS, DIM, PATCH_SIDE = 5, 20, 3, 2
CLASSES = ("no", "yes")
STEPS = range(STEPS_PER_EPOCH * EPOCHS)
Reward = Callable[[PatchSequence], Float[Tensor, " image"]]
"""The reward of each image, from the patches in the slots in which they are read."""


@dataclass(frozen=True)
class LearnerCase(ComponentCase[OrderLearner]):
    """An order-learner, with the grids and batches for its policies.

    Args:
        grids: grids of patches.
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
        """The grid for rules that need only one: the smallest on which there is something to learn."""
        by_size = sorted(self.grids, key=lambda grid: grid.num_patches)
        return next((grid for grid in by_size if grid.num_patches >= 4), by_size[-1])


@dataclass(frozen=True)
class Reading:
    """One reading of a batch.

    Args:
        proposals: a proposal for each block of the policy.
        sequence: the patches in the slots in which the last block reads them, with their order.
    """

    proposals: tuple[Proposal, ...]
    sequence: PatchSequence

    @property
    def order(self) -> Order:
        """The composed order of all proposals."""
        assert self.sequence.order is not None
        return self.sequence.order


@dataclass(frozen=True)
class Led:
    """A policy and its learner, which defines the phases.

    Args:
        learner: the learner.
        policy: the learner's policy.
        grid: of the patches.
    """

    learner: OrderLearner
    policy: Policy
    grid: Grid

    @classmethod
    def by(cls, case: LearnerCase, start: Order, grid: Grid) -> Led:
        """Build a new policy from a start."""
        learner = case.learner
        context = LearnerContext(start, grid, DIM, depth=2, target_kind=CLASS, classes=CLASSES)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            return cls(learner, learner.build_policy(context), grid)

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

    def during_the_search(self) -> int:
        """Move the policy to the middle of the search, and return that step."""
        steps = self.steps_of("search")
        expect(steps, f"it never searches in a run of {EPOCHS} epochs")
        self.move(steps[len(steps) // 2])
        return steps[len(steps) // 2]

    def images(self, batch: int, dtype: torch.dtype = torch.float32) -> PatchSequence:
        """Noise images, with pixels if the policy needs them."""
        return images(batch, self.grid, dtype, "pixels" in self.policy.needs)

    def read(self, sequence: PatchSequence) -> Reading:
        """Collect the proposals before each block; the blocks themselves do nothing."""
        proposals = []
        for block in self.policy.blocks:
            proposals.append(self.policy.propose(sequence, block))
            sequence = proposals[-1].apply(sequence)
        return Reading(tuple(proposals), sequence)

    def readings(self, sequence: PatchSequence) -> list[Reading]:
        """Collect the proposals in each repeat of a step."""
        return [self.read(sequence) for _ in range(self.policy.repeats)]

    def best_orders(self, sequence: PatchSequence | None) -> list[Order]:
        """The best order before each block."""
        orders = []
        for block in self.policy.blocks:
            orders.append(self.policy.best_order(sequence, block))
            sequence = None if sequence is None else Proposal(orders[-1], block=block).apply(sequence)
        return orders

    def best(self, sequence: PatchSequence) -> Order:
        """The composed best order before all blocks."""
        first, *later = self.best_orders(sequence)
        for order in later:
            first = first.compose(order)
        return first

    def loss(self, readings: Sequence[Reading], rewards: Sequence[Float[Tensor, " image"]]) -> Float[Tensor, ""]:
        """The policy's loss if a step makes one pass in each repeat."""
        passes = [Pass(one.proposals, reward) for one, reward in zip(readings, rewards, strict=True)]
        return self.policy.loss(passes, batch_of(readings[0].sequence))

    def objective(self, readings: Sequence[Reading]) -> Float[Tensor, ""]:
        """A loss of the patches in their slots, and the policy's own loss, as in training."""
        losses = [loss_per_image(one.sequence) for one in readings]
        return torch.stack(losses).mean() + self.loss(readings, [-each.detach() for each in losses])

    def learn(self, steps: Sequence[int]) -> None:
        """Train for some steps."""
        optimizer = self.policy.build_optimizer()
        for step in steps:
            self.move(step)
            sequence = self.images(7)
            self.policy.search(Trials(sequence, by_loss))
            descend(optimizer, self.objective(self.readings(sequence)))

    @property
    def learns_from_trials(self) -> bool:
        """Whether it tries proposals in a search instead of learning from the loss."""
        return type(self.policy).search is not Policy.search

    @property
    def is_rule(self) -> bool:
        """Whether it declares that it learns nothing, and so may begin with an order other than the start."""
        return self.learner.is_rule

    @property
    def has_nothing_to_learn(self) -> bool:
        """Whether it has neither parameters nor a reward to learn from."""
        learns = any(parameter.requires_grad for parameter in self.policy.parameters())
        return not learns and not self.learner.uses_reward


class Trials:
    """The trials offered to a search: rewards of proposals on the images of a step. It counts the images it
    evaluates.
    """

    def __init__(self, sequence: PatchSequence, reward: Reward) -> None:
        self.sequence, self.reward = sequence, reward
        self.images = 0

    def __call__(self, proposal: Proposal | Sequence[Proposal], images: int | None = None) -> Float[Tensor, " image"]:
        """The reward of each image."""
        read = first_of(self.sequence, images)
        self.images += read.batch
        for each in [proposal] if isinstance(proposal, Proposal) else proposal:
            read = each.apply(read)
        return self.reward(read).detach()


def descend(optimizer: torch.optim.Optimizer | None, loss: Float[Tensor, ""]) -> None:
    """Take an optimizer step if there is something to learn."""
    if optimizer is not None and loss.requires_grad:
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()


def loss_per_image(read: PatchSequence) -> Float[Tensor, " image"]:
    """A loss that depends on which patch is in which slot, in single precision like the losses of tasks."""
    weights = torch.randn(read.patches.shape[1:], generator=torch.Generator().manual_seed(7))
    return (read.patches.float() * weights).sum(dim=(1, 2))


def by_loss(read: PatchSequence) -> Float[Tensor, " image"]:
    """The reward that corresponds to the loss."""
    return -loss_per_image(read)


def images(batch: int, grid: Grid, dtype: torch.dtype = torch.float32, with_pixels: bool = False) -> PatchSequence:
    """Noise images."""
    noise = torch.randn(batch, grid.num_patches, DIM, generator=torch.Generator().manual_seed(batch))
    # As in training, autocast changes the type of patches but not of pixels.
    of_pixels = torch.float64 if dtype == torch.float64 else torch.float32
    pixels = cut(_pixel_images(batch, grid), grid).to(of_pixels) if with_pixels else None
    return PatchSequence(noise.to(dtype), grid, pixels=pixels)


def batch_of(sequence: PatchSequence) -> Batch:
    """The batch behind a sequence: the same images, with two classes."""
    targets = torch.arange(sequence.batch) % len(CLASSES)
    return Batch(_pixel_images(sequence.batch, sequence.grid), targets, CLASS)


def _pixel_images(batch: int, grid: Grid) -> Float[Tensor, "batch channel *frame height width"]:
    frames = [grid.frames] if grid.frames > 1 else []
    shape = (batch, 3, *frames, PATCH_SIDE * grid.height, PATCH_SIDE * grid.width)
    return torch.rand(shape, generator=torch.Generator().manual_seed(batch))


def first_of(sequence: PatchSequence, images: int | None) -> PatchSequence:
    """The first images of a batch; None for all."""
    pixels = None if sequence.pixels is None else sequence.pixels[:images]
    return PatchSequence(sequence.patches[:images], sequence.grid, pixels=pixels)


def shuffled(patches: int, seed: int = 0) -> Order:
    """A random order."""
    return Order(torch.randperm(patches, generator=torch.Generator().manual_seed(seed)))


def expect_valid(proposal: Proposal, batch: int, patches: int) -> None:
    """Check that every image has every patch once, and that shares and probabilities are valid."""
    indices = proposal.order.per_image(batch)
    expect(tuple(indices.shape) == (batch, patches), f"orders of the shape {tuple(indices.shape)} for {batch} images")
    expect(
        proposal.order.num_patches == patches, f"an order of {proposal.order.num_patches} patches instead of {patches}"
    )
    every = torch.arange(patches).expand(batch, -1)
    if not torch.equal(indices.sort(dim=1).values, every):  # a message would take longer than the step itself
        wrong = (indices.sort(dim=1).values != every).any(dim=1).nonzero()[0, 0]
        raise SeenError(f"an order does not have every patch exactly once: {indices[wrong].tolist()}")
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
