"""The interfaces of an order-learner and of the policy it builds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.class_fact import YES_OR_NO
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.interfaces.passes import Pass
from reorder_kit.interfaces.phases import Phases
from reorder_kit.interfaces.progress import Phase, Progress
from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence

if TYPE_CHECKING:  # the interface of a task imports this file, to check policies
    from reorder_kit.interfaces.task import Task


@dataclass(frozen=True)
class LearnerContext:
    """What a learner knows when it builds its policy.

    Args:
        start: the static order to start from.
        grid: the grid of patches; for a hierarchical backbone, the finest.
        dim: width of a patch's embedding on that grid, for policies that look at the image.
        depth: number of blocks of the backbone; a policy can order before each.
        target_kind: the targets of the task, for policies that look at them while they learn.
        classes: names of the classes, by number.
    """

    start: Order
    grid: Grid
    dim: int
    depth: int
    target_kind: TargetKind
    classes: Sequence[str]


class Evaluate(Protocol):
    """Tries proposals on the images of a training step."""

    def __call__(self, proposal: Proposal | Sequence[Proposal], images: int | None = None) -> Float[Tensor, " image"]:
        """The reward of each image, without gradient or dropout, over the images of all processes.

        The images are the same at every call within a step, so that two candidates can be compared image by image.

        Args:
            proposal: what to try; the same on every process. If several, one for each block.
            images: use only this many images of each process, or all if there are fewer; None for all.
        """
        ...


class Policy(nn.Module, ABC):
    """The trainable module that proposes orders. All its state is in parameters and buffers.

    :meth:`advance` comes before every other use, also after weights were loaded. A policy declares:

    * ``is_static``: whether its best order never depends on the images. ``best_order(None)`` of a policy that looks at
      them raises a :class:`~reorder_kit.errors.ReorderKitError`.
    * ``blocks``: the blocks before which it orders. Before blocks after block 0, an order indexes the slots of that
      block's input (``sequence.num_slots``), and is the identity until something has been learned. There may be fewer
      slots than before block 0, because a task that hides patches keeps only some of them.
    * ``repeats``: how many times the step runs on one batch, with new proposals each time. It may change when the
      policy advances.
    * ``mixes``: whether a slot may hold a mixture of patches during the search.
    * ``needs``: what it looks at beyond patches. ``{"pixels"}`` for ``sequence.pixels``.
    * ``may_leave_out``: whether its orders may have fewer slots than there are patches. Set for a policy that starts
      from a partial order.

    Its proposals are checked where they are applied: an order of whole numbers of shape ``(slot)``, ``(group, slot)``
    or ``(batch, slot)``, with every patch at most once, and none missing unless ``may_leave_out``.

    ``phase`` and ``search_done`` are those of the step it has advanced to.
    """

    is_static: bool = True
    blocks: tuple[int, ...] = (0,)
    repeats: int = 1
    mixes: bool = False
    needs: frozenset[str] = frozenset()
    may_leave_out: bool = False
    built_by: tuple[str, str] | None = None
    """The kind and name of the component that built it, for messages; set by the framework."""
    phase: Phase = "search"
    search_done: float = 0.0

    @abstractmethod
    def propose(self, sequence: PatchSequence, block: int = 0) -> Proposal:
        """Propose an order for this batch, in a training step.

        Called once for every block and pass; random draws must differ from call to call.
        """

    @abstractmethod
    def best_order(self, sequence: PatchSequence | None = None, block: int = 0) -> Order:
        """The hard order that a trained model uses. For an untrained policy, the starting order."""

    def advance(self, progress: Progress) -> None:
        """Move to a step. Extend it to advance schedules, and to seed random draws with ``progress.stream``.

        It may be called twice with the same step.
        """
        self.phase, self.search_done = progress.phase, progress.share

    @abstractmethod
    def build_optimizer(self) -> torch.optim.Optimizer | None:
        """The optimizer of the policy's own parameters; None if it has none. They have no weight decay."""

    def search(self, evaluate: Evaluate) -> None:
        """Try proposals on the images of a step, before its training pass; called in every step after ``advance``.

        Every process has to try the same proposals: draw them from ``progress.shared_stream``.
        """
        return

    def loss(self, passes: Sequence[Pass], batch: Batch | None = None) -> Float[Tensor, ""]:
        """A term added to the task's loss. Zero for a policy that learns only through its soft permutation.

        Args:
            passes: all passes of the first repeat of the step, then those of the next. Compare rewards only between
                the same pass of different repeats or groups: different passes earn different rewards in every order.
            batch: the batch, for policies that look at its targets.
        """
        return passes[0].reward.new_zeros(())

    def reset_baselines(self) -> None:
        """Forget running means of rewards and stored samples: the weights now train on another run's rewards."""
        return

    def metrics(self) -> dict[str, float]:
        """What to log of the policy's state, such as its temperature and entropy (nats)."""
        return {}


class OrderLearner(Component, ABC):
    """A way of learning an order while the model trains.

    A complete plugin, a learner that swaps two patches at random and keeps swaps that the reward favors::

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
                super().advance(progress)
                self.generator.manual_seed(progress.stream)

            def propose(self, sequence, block=0):
                first, second = torch.randint(len(self.indices), (2,), generator=self.generator).tolist()
                swapped = self.indices.clone()
                swapped[[first, second]] = self.indices[[second, first]]
                return Proposal(Order.trusted(swapped, len(swapped)))

            def loss(self, passes, batch=None):
                (proposal,), mean = passes[0].proposals, passes[0].reward.mean()
                if mean > self.mean_reward:
                    self.indices.copy_(proposal.order.indices)
                elif torch.isnan(self.mean_reward):
                    self.mean_reward.copy_(mean)
                self.mean_reward.lerp_(mean, 1 - self.options.memory)
                return mean.new_zeros(())

            def best_order(self, sequence=None, block=0):
                return Order.trusted(self.indices, len(self.indices))

            def build_optimizer(self):
                return None

        @hookimpl
        def register_order_learners():
            return [Swaps]

    A learner declares:

    * ``uses_reward``: whether it learns from the reward; if not, a null-reward control has no effect.
    * ``extra_passes``: the cost of its search in addition to the training pass.
    * ``is_rule``: whether it learns nothing: its orders are a fixed function of images, start and step. Only
      then may its order before the first step differ from the start.
    * ``takes_partial_start``: whether it can start from an order that leaves patches out; if not, such a start is
      refused.
    * ``phases``: in which part of a run it searches, and whether trials judge what it found.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    kind = Kind("order-learner", "order-learners")
    uses_reward: ClassVar[bool]
    is_rule: ClassVar[bool] = False
    takes_partial_start: ClassVar[bool] = False
    class_facts = MappingProxyType(dict.fromkeys(("uses_reward", "is_rule", "takes_partial_start"), YES_OR_NO))

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Whether it uses the reward, and whether it is a rule."""
        rule = {"rule": "yes, it learns nothing"} if cls.is_rule else {}
        return {"uses the reward": "yes" if cls.uses_reward else "no", **rule}

    def phases(self, epochs: float) -> Phases:
        """When it searches in a run of that many epochs; by default, from the first step to the last."""
        return Phases(warmup_epochs=0.0, search_epochs=epochs)

    def searching(self, phases: Phases) -> OrderLearner:
        """The learner in a training that is only a search, with the phases written into its options if it has them.

        Args:
            phases: the phases of that training.
        """
        return self

    def adapted_to(self, task: Task) -> OrderLearner:
        """The learner with defaults that suit a task. Options that a recipe gives are kept."""
        return self

    def extra_passes(self, batch: int) -> float:
        """The mean number of forward passes of a batch for evaluations, in a step of the search that omits none.

        Args:
            batch: images in a batch.
        """
        return 0.0

    @abstractmethod
    def build_policy(self, context: LearnerContext) -> Policy:
        """The policy, whose best order is ``context.start`` until it has learned another."""
