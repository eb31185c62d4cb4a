"""Order-learners in your own training loop, without a recipe or a backbone of this package."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor, nn

from reorder_kit.caller import Caller
from reorder_kit.data.random_streams import stream
from reorder_kit.errors import RecipeError, ReorderKitError, quoted
from reorder_kit.experiment.order_source import order_from
from reorder_kit.experiment.policy_start import require_best_order
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.host.plugin_record import is_own
from reorder_kit.interfaces import (
    NONE,
    Batch,
    Evaluate,
    LearnerContext,
    OrderLearner,
    Pass,
    PatchSequence,
    Phase,
    Policy,
    Progress,
    Proposal,
)
from reorder_kit.model.order_checks import OrderChecks, check_order
from reorder_kit.model.policy_checks import check_policy
from reorder_kit.model.reward_checks import Flaws
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.problems import problems_of


def learner(
    name: str,
    patches: int | str | Sequence[int] | Grid,
    start: str | Path | Order | Sequence[int] = "row",
    *,
    epochs: float,
    steps_per_epoch: int,
    seed: int = 0,
    host: PluginHost | None = None,
    **options: Any,
) -> LearnedOrder:
    """Create an order-learner for your own training loop.

    >>> policy = learner("softsort", patches=16, start="hilbert", epochs=60, steps_per_epoch=12, lr=0.05)
    >>> policy.advance(0)
    >>> policy.propose(torch.zeros(2, 16, 8)).order.indices[:4].tolist()
    [0, 1, 5, 4]

    Args:
        name: the name of the order-learner.
        patches: the patches of an image: a grid, its height and width, as in ``(2, 3)`` or ``"2x3"``, or their number.
            A number stands for the grid of the start if that is known; otherwise a square number is a square grid, and
            any other number a single row.
        start: the order to start from: anything that :func:`reorder_kit.load_order` accepts.
        epochs: epochs of the whole run, the unit of options such as ``warmup_epochs``.
        steps_per_epoch: optimizer steps per epoch.
        seed: the seed of all random numbers.
        host: the plugins; all installed ones if not given.
        options: options of the learner, such as ``groups=4``.

    Raises:
        ReorderKitError: if the learner, an option or the ordering does not exist, or the start does not fit the
            patches.
    """
    host = host or PluginHost.from_environment()
    chosen = host.order_learners.get(name)
    try:
        checked = chosen.Options.model_validate(options, context={"host": host})
    except ValidationError as error:
        raise RecipeError(problems_of(error, chosen.Options), f"order-learner {name!r}") from None
    if chosen.deprecated:
        Caller.here().warn(chosen.deprecation())
    grid, first = _grid_and_start(patches, start, host)
    context = LearnerContext(first, grid, dim=1, depth=1, target_kind=NONE, classes=())
    return LearnedOrder(chosen(checked), context, epochs, steps_per_epoch, seed)


class LearnedOrder(nn.Module):
    """A policy with its schedule and its random streams. :func:`learner` builds it.

    Build it yourself if a learner needs more context: the embedding width, the depth, or the targets.

    Its parameters have their own optimizer. All state is in parameters and buffers, and random draws depend only on the
    step: load the ``state_dict``, advance to the step, and training resumes as if it had never stopped.

    Args:
        learner: the order-learner.
        context: what it knows of the model and the task.
        epochs: epochs of the whole run.
        steps_per_epoch: optimizer steps per epoch.
        seed: the seed of all random numbers.

    Raises:
        ReorderKitError: if epochs or steps are invalid, if the search is to be followed by new weights, which this
            class cannot create, or if the policy does not begin with the start.
    """

    def __init__(
        self, learner: OrderLearner, context: LearnerContext, epochs: float, steps_per_epoch: int, seed: int = 0
    ) -> None:
        super().__init__()
        _require_length(epochs, steps_per_epoch)
        phases = learner.phases(epochs)
        if phases.retrains or phases.trials is not None:
            raise ReorderKitError(
                f"{learner.name} is set to train new weights after the search, which only your own loop can do",
                "leave search out; after the search, train another model in best_order()",
            )
        doubt = None if learner.is_rule else phases.doubt(epochs)
        if doubt is not None:
            Caller.here().warn(f"{learner.name}: {doubt}")
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(stream(seed, "learner"))
            self.policy = check_policy(learner.build_policy(context), learner.kind.name, learner.name)
            if not (learner.is_rule or is_own(type(learner).__module__)):
                twin = check_policy(learner.build_policy(context), learner.kind.name, learner.name)
                begins = phases.locate(Progress(0, steps_per_epoch, epochs))
                require_best_order(learner, twin, begins, context.start)
        self.grid = context.grid
        self._name, self._phases, self._seed = learner.name, phases, seed
        self._epochs, self._steps_per_epoch = epochs, steps_per_epoch
        self._step: int | None = None
        self._missing_trials = False
        self._order_checks = OrderChecks()
        hint = "skip steps whose losses are not finite: nothing can be learned from them"
        self._rewards = Flaws([ReorderKitError("a reward is NaN or infinite", hint)])

    def advance(self, step: int) -> None:
        """Move to an optimizer step, counted from 0. Call it first in every step.

        With several processes, each draws its own orders. Wrap the policy for data parallelism like the model, or
        average the gradients of its parameters: it must learn the same in every process.
        """
        own, shared = stream(self._seed, "policy", _process(), step), stream(self._seed, "policy", step)
        progress = self._phases.locate(Progress(step, self._steps_per_epoch, self._epochs, own, shared))
        self.policy.advance(progress)
        self._step = step
        self._missing_trials = type(self.policy).search is not Policy.search and progress.phase == "search"

    def search(self, evaluate: Evaluate) -> None:
        """Try proposals on the images of a step; learners that learn from trials need it after every ``advance``.

        Args:
            evaluate: called with a proposal and a number of images (None for all), returns the reward of each image,
                without gradient and always on the same images.

        Raises:
            ReorderKitError: if it returns invalid rewards, as in :meth:`loss`.
        """
        self._check_advanced()

        def checked(proposal: Proposal | Sequence[Proposal], images: int | None = None) -> Tensor:
            reward = evaluate(proposal, images)
            self._check_reward(reward)
            return reward

        self.policy.search(checked)
        self._missing_trials = False

    def propose(self, patches: Float[Tensor, "batch patch dim"] | PatchSequence, block: int = 0) -> Proposal:
        """Propose an order for row-major patches, in a training step; ``proposal.apply(patches)`` moves them.

        Raises:
            ReorderKitError: before the first ``advance``, or if a learner that needs trials got none.
        """
        self._check_advanced()
        if self._missing_trials:
            raise ReorderKitError(
                f"{self._name} learns only from trials, but got none at step {self._step}",
                "call search(evaluate) after advance(step)",
            )
        sequence = self._sequence(patches)
        proposal = self.policy.propose(sequence, block)
        return self._order_checks.passed(proposal, self.policy, sequence.batch, sequence.num_slots, block)

    def loss(
        self,
        passes: Proposal | Sequence[Pass],
        reward: Float[Tensor, " batch"] | None = None,
        batch: Batch | None = None,
    ) -> Float[Tensor, ""]:
        """Return the term to add to your loss; zero for learners whose gradient comes through the patches.

        Args:
            passes: the proposal that the images were read in, with a ``reward``; or, if a step reads them several
                times, all passes of the step (:class:`~reorder_kit.interfaces.Pass`), those of each repeat together.
            reward: the reward of each image, such as its negative loss. It is used without its gradient.
            batch: images and targets, for learners that look at targets.

        Raises:
            ReorderKitError: if the reward is not one number per image, or is NaN or infinite. On a GPU,
                :meth:`best_order` or :meth:`metrics` raises the latter.
        """
        if isinstance(passes, Proposal):
            if reward is None:
                raise ReorderKitError("a proposal needs its reward", "as in loss(proposal, -losses)")
            self._check_reward(reward, passes)
            passes = [Pass((passes,), reward.detach())]
        else:
            for each in passes:
                self._check_reward(each.reward, *each.proposals[:1])
        return self.policy.loss(passes, batch)

    def best_order(
        self, patches: Float[Tensor, "batch patch dim"] | PatchSequence | None = None, block: int = 0
    ) -> Order:
        """The order for evaluating and using the model; learners with an order per image need the images' patches."""
        self._order_checks.settle(self.policy)
        self._rewards.settle()
        sequence = None if patches is None else self._sequence(patches)
        order = self.policy.best_order(sequence, block)
        slots, images = (self.grid.num_patches, 1) if sequence is None else (sequence.num_slots, sequence.batch)
        check_order(order, self.policy, slots, images)
        return order.with_grid(self.grid) if block == 0 and order.grid is None else order

    def build_optimizer(self) -> torch.optim.Optimizer | None:
        """Build the optimizer of the policy's parameters, separate from that of your model; None if it has no
        parameters.
        """
        return self.policy.build_optimizer()

    @property
    def phase(self) -> Phase:
        """Whether the order is still the start, is being learned, or is fixed."""
        return self.policy.phase

    @property
    def repeats(self) -> int:
        """How many times this step must read its batch, each time with a new proposal."""
        return self.policy.repeats

    def metrics(self) -> dict[str, float]:
        """Values to log, such as temperature and entropy."""
        self._rewards.settle()
        return self.policy.metrics()

    def _sequence(self, patches: Tensor | PatchSequence) -> PatchSequence:
        return PatchSequence(patches, self.grid) if isinstance(patches, Tensor) else patches

    def _check_reward(self, reward: Any, proposal: Proposal | None = None) -> None:
        if not isinstance(reward, Tensor):
            raise ReorderKitError(f"the reward must be a tensor, not a {type(reward).__name__}", _REWARDS)
        images = None if proposal is None else _images_of(proposal.order)
        if reward.ndim != 1 or images not in (None, len(reward)):
            of = "" if images is None else f" of {images} images"
            raise ReorderKitError(f"the reward{of} has the shape {tuple(reward.shape)}", _REWARDS)
        self._rewards.note(0, ~reward.detach().isfinite().all())

    def _check_advanced(self) -> None:
        if self._step is None:
            raise ReorderKitError("no step has begun yet", "call advance(step) first, in every step")


_REWARDS = "give one number per image, as in loss(proposal, -losses) with losses of shape (batch,)"


def _images_of(order: Order) -> int | None:
    """The number of images an order is for, if it has one per image."""
    if order.groups is not None:
        return len(order.groups)
    return None if order.is_static else order.indices.shape[0]


def _require_length(epochs: Any, steps_per_epoch: Any) -> None:
    if not isinstance(epochs, Real) or not 0 < float(epochs) < math.inf:
        raise ReorderKitError(f"epochs: {quoted(epochs)} must be above 0", "give the number of epochs, such as 60")
    if (_whole(steps_per_epoch) or 0) < 1:
        reason = f"steps_per_epoch: {quoted(steps_per_epoch)} must be a whole number above 0"
        raise ReorderKitError(reason, "give the optimizer steps per epoch, such as len(loader)")


def _whole(value: Any) -> int | None:
    """A whole number of any library's type; None for anything else."""
    try:
        return operator.index(value)
    except TypeError:
        return None


def _process() -> int:
    """The rank of this process among those that train together."""
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if distributed else 0


def _grid_and_start(patches: Any, start: Any, host: PluginHost) -> tuple[Grid, Order]:
    number = _whole(patches)
    if number is None:
        grid = Grid.of(patches)
    else:
        side = math.isqrt(max(number, 0))
        grid = Grid(side, side) if side * side == number else Grid(1, number)
    if number is not None and not (isinstance(start, str) and start in host.orderings):
        known = order_from(start, host=host).order.grid
        if known is not None and known.num_patches == number:
            grid = known  # a number alone does not give height and width
    found = order_from(start, grid, host)
    if not (found.order.is_static and found.order.is_full):
        raise ReorderKitError(f"{found.order!r} is not a single full order of {grid.num_patches} patches")
    for doubt in found.doubts:
        Caller.here().warn(doubt)
    return grid, found.order
