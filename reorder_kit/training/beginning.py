"""What is determined before a model is built: what the task is fitted to, and the starting order."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.doubts import doubts_of_backbone
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.part_checks import refuse_wrong_targets
from reorder_kit.experiment.policy_start import wrong_start
from reorder_kit.experiment.same_classes import require_same_classes
from reorder_kit.interfaces import BackboneFacts, DataSplits, Influence, Policy, TaskContext
from reorder_kit.interfaces.gather_images import alone
from reorder_kit.interfaces.training_data import TrainingData
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.matching import effective_slots
from reorder_kit.orders.order import Order
from reorder_kit.runs.fitted_record import MeasuredInfluence
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.order_summary import OrderSummary, static_order
from reorder_kit.training.short_training import influence_of_short_training

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Beginning:
    """What is determined before a model is built.

    Args:
        context: what is known about the run.
        start: the starting order.
        measured: influence that the start's prior measured; None if it measured none.
    """

    context: TaskContext
    start: Order
    measured: list[MeasuredInfluence] | None


def begin(experiment: Experiment, splits: DataSplits, folder: RunFolder, accelerator: Accelerator) -> Beginning:
    """What is known about the run, and its starting order.

    A resumed run keeps its start and what its task was fitted to, even if a file, a prior or the data has changed
    since.

    Args:
        experiment: the parts.
        splits: opened data.
        folder: the run folder, which a resumed run reads.
        accelerator: device and processes; one process fits, the others wait.

    Raises:
        ReorderKitError: if the parts do not fit the data or one another, or a resumed run finds different classes.
    """
    checkpoint = folder.checkpoint()
    is_fresh = checkpoint is None
    if checkpoint is not None:
        require_same_classes(checkpoint.facts.classes, splits.classes, str(folder.path))
    facts = experiment.facts(splits.image)
    kind = experiment.kind
    training = TrainingSplit(splits, experiment.recipe.seed, kind)
    fitted = on_one_process(accelerator, lambda: fit_task(experiment, training) if is_fresh else folder.read_fitted())
    context = TaskContext(facts, splits.image, kind, splits.classes, fitted, accelerator.device)
    experiment.check(facts, splits.classes)
    if not is_fresh:
        return Beginning(context, folder.read_start(), folder.read_measured())
    if experiment.data_source.image is None and accelerator.is_main_process:  # otherwise checked with the recipe
        for doubt in doubts_of_backbone(experiment, facts):
            _log.warning("%s", doubt)
    _require_slots(experiment, facts)
    on_one_process(accelerator, lambda: refuse_wrong_targets(experiment.data_source, splits))
    influence = influence_of_short_training(experiment, splits, context, accelerator)
    start, measured = on_one_process(
        accelerator, lambda: _start_and_measured(experiment, facts.grid, splits, influence)
    )
    order = Order(start, facts.grid.num_patches)
    experiment.check_start(order, facts)
    return Beginning(context, order, measured or None)


def _start_and_measured(
    experiment: Experiment, grid: Grid, splits: DataSplits, influence: Influence
) -> tuple[list[int], list[MeasuredInfluence]]:
    measured: dict[int, MeasuredInfluence] = {}

    def noted(orders: Sequence[Order], models: int, steps: int) -> Float[Tensor, " slot"]:
        shares = influence(orders, models, steps)
        measured[steps] = MeasuredInfluence(steps=steps, effective_slots=effective_slots(shares))
        return shares

    start: list[int] = experiment.starting_order(grid, splits, noted).indices.tolist()
    return start, [measured[steps] for steps in sorted(measured)]


def _require_slots(experiment: Experiment, facts: BackboneFacts) -> None:
    """Refuse a share of the patches that backbone or learner cannot work with, before a prior trains models with it."""
    slots, patches = experiment.num_slots(facts.grid), facts.grid.num_patches
    for reason, hint in experiment.needs_of_every_patch(facts) if slots < patches else ():
        message = f"order.keep: {slots} of {patches} patches are read, but {reason}"
        raise ReorderKitError(message, f"leave out order.keep{hint}")


def check_continued(experiment: Experiment, policy: Policy, start: Order) -> None:
    """Refuse a policy from another run that does not begin with its final order there.

    Args:
        experiment: the parts.
        policy: the policy, moved to the first step.
        start: the final order of the other run.

    Raises:
        ReorderKitError: if it begins with another order, for instance because of a schedule or other options.
    """
    run = experiment.recipe.order.weights
    if run is None or not experiment.learns or not policy.is_static:
        return
    if static_order(policy, start.num_patches) == start:
        return
    raise ReorderKitError(
        f"order.weights: {run}: the policy does not begin with the order that it ended with",
        "give its learner the same options as there, or start from its order with order.start: {file: ...}",
    )


def check_policy_start(experiment: Experiment, untrained: OrderSummary, start: Order) -> None:
    """Refuse a policy that does not begin with the recipe's start, unless it is a rule.

    Args:
        experiment: the parts.
        untrained: the order of the policy at the first step.
        start: the order to start from.

    Raises:
        ComponentError: naming the learner.
    """
    learner = experiment.learner
    is_continued = experiment.recipe.order.weights is not None
    if learner is None or not experiment.learns or learner.is_rule or is_continued:
        return
    if untrained.order == start and not untrained.spread:
        return
    raise wrong_start(learner, untrained.order, start)


def fit_task(experiment: Experiment, training: TrainingData) -> Mapping[str, Any]:
    """Fit the task, and return the result as a resumed run would read it.

    Raises:
        ReorderKitError: if the result is not plain data.
    """
    try:
        fitted: Mapping[str, Any] = json.loads(json.dumps(dict(experiment.task.fit(training))))
    except TypeError as error:
        raise ReorderKitError(
            f"task {experiment.task.name!r}: what fit() returns is not plain JSON data: {error}"
        ) from None
    return fitted


def on_one_process(accelerator: Accelerator, compute: Callable[[], Any]) -> Any:
    """Compute something in the main process, for all; an error stops all of them.

    Args:
        accelerator: the processes.
        compute: returns plain data.

    Raises:
        ReorderKitError: as raised there.
    """
    answer: list[Any] = [None]
    if accelerator.is_main_process:
        try:
            with alone():
                answer = [compute()]
        except ReorderKitError as error:
            answer = [error]
    broadcast_object_list(answer)
    if isinstance(answer[0], ReorderKitError):
        raise answer[0]
    return answer[0]
