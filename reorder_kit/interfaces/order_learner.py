"""The interfaces of an order-learner and of the policy it builds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.grid import Grid
from reorder_kit.interfaces.component import Component, ComponentOptions
from reorder_kit.patch_order import Order
from reorder_kit.progress import Progress
from reorder_kit.proposal import Proposal
from reorder_kit.sequence import PatchSequence

Phase = Literal["warm-up", "search", "hardened"]


@dataclass(frozen=True)
class LearnerContext:
    """What a learner knows when it builds its policy.

    Args:
        start: the full static order to start from.
        grid: the grid of patches.
        patch_dim: width of a patch's embedding, for policies that look at the image.
    """

    start: Order
    grid: Grid
    patch_dim: int


class Evaluate(Protocol):
    """Tries a proposal on the images of a training step."""

    def __call__(self, proposal: Proposal, images: int | None = None) -> Float[Tensor, " image"]:
        """The reward of each image, without gradient and without dropout, the images of all processes in one line.

        The images are the same at every call of a step, so that two proposals can be compared image by image.

        Args:
            proposal: what to try; the same on every process.
            images: use the first so many images of each process only; None for all, also where there are fewer.
        """
        ...


class Policy(nn.Module, ABC):
    """The trainable module that proposes orders. All its state is in parameters and buffers.

    ``phase`` is ``warm-up`` while the order is still the starting order, ``search`` while it is being learned, and
    ``hardened`` once it is fixed for good. ``is_static`` is False where the best order depends on the image.
    """

    phase: Phase = "search"
    is_static: bool = True

    @abstractmethod
    def propose(self, sequence: PatchSequence | None) -> Proposal:
        """How the patches of this batch shall stand, for a training step. None asks for one order, for one image."""

    @abstractmethod
    def best_order(self, sequence: PatchSequence | None = None) -> Order:
        """The hard order that a trained model uses. That of an untrained policy is the starting order."""

    @abstractmethod
    def advance(self, progress: Progress) -> None:
        """Move schedules and phase to a step; seed what draws at random with ``progress.stream``."""

    @abstractmethod
    def build_optimizer(self) -> torch.optim.Optimizer | None:
        """The optimiser of the policy's own parameters; None if it has none. They never decay."""

    def search(self, evaluate: Evaluate) -> None:
        """Try proposals on the images of a step, before its training pass; called at every step after ``advance``.

        Every process has to try the same proposals: draw them from ``progress.shared_stream``.
        """
        return

    def retrain_step(self, progress: Progress) -> int | None:
        """The step from which new weights are trained in the order found until then; None if they never are.

        It is the same at every step, and the first step of an epoch.
        """
        return None

    def loss(self, proposal: Proposal, reward: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """What is added to the task's loss. Zero for a policy that learns through its soft permutation alone."""
        return reward.new_zeros(())

    def metrics(self) -> dict[str, float]:
        """What to log of the policy's state, such as its temperature and entropy (nats)."""
        return {}


class OrderLearner(Component, ABC):
    """A way of learning an order while the model trains.

    A complete plugin, a learner that swaps two patches at random and keeps what the reward likes::

        import torch
        from pydantic import Field
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import ComponentOptions, Order, OrderLearner, Policy, Proposal

        class Swaps(OrderLearner):
            \"""Keep a random swap of two patches when its reward is above the running mean.\"""

            name = "swaps"
            uses_reward = True

            class Options(ComponentOptions):
                memory: float = Field(0.9, ge=0, lt=1, description="share of the old mean reward that is kept")

            def build_policy(self, context):
                return SwapPolicy(self.options, context.start)

        class SwapPolicy(Policy):
            def __init__(self, options, start):
                super().__init__()
                self.options = options
                self.register_buffer("indices", start.indices.clone())
                self.register_buffer("mean_reward", torch.tensor(float("nan")))
                self.generator = torch.Generator()

            def advance(self, progress):
                self.generator.manual_seed(progress.stream)

            def propose(self, sequence):
                first, second = torch.randint(len(self.indices), (2,), generator=self.generator).tolist()
                swapped = self.indices.clone()
                swapped[[first, second]] = self.indices[[second, first]]
                return Proposal(Order.trusted(swapped, len(swapped)))

            def loss(self, proposal, reward):
                mean = reward.mean()
                if mean > self.mean_reward:
                    self.indices.copy_(proposal.order.indices)
                elif torch.isnan(self.mean_reward):
                    self.mean_reward.copy_(mean)
                self.mean_reward.lerp_(mean, 1 - self.options.memory)
                return reward.new_zeros(())

            def best_order(self, sequence=None):
                return Order.trusted(self.indices, len(self.indices))

            def build_optimizer(self):
                return None

        @hookimpl
        def register_order_learners():
            return [Swaps]

    A learner says of itself:

    * ``uses_reward``: whether it learns from the reward; if not, a null-reward control would control nothing.
    * ``mixes_patches``: whether a slot may hold a mixture of patches while training. An autoregressive task refuses
      that: a mixture leaks later patches.
    * ``extra_passes``: what its search costs besides the training pass.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    uses_reward: ClassVar[bool]

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @property
    def mixes_patches(self) -> bool:
        """Whether a slot may hold a mixture of patches while training."""
        return False

    def extra_passes(self, batch: int) -> float:
        """Forward passes of a batch for evaluations, of a step of the search, on average, where none is left out.

        Args:
            batch: images in a batch.
        """
        return 0.0

    @abstractmethod
    def build_policy(self, context: LearnerContext) -> Policy:
        """The policy, whose best order is ``context.start`` until it has learned another."""
