"""What is allowed in a recipe but probably not meant."""

from __future__ import annotations

import math

from reorder_kit.controls import LearnedStatic
from reorder_kit.experiment.deprecated_parts import deprecated_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import BackboneFacts
from reorder_kit.interfaces.epochs import ShareOfRun
from reorder_kit.recipe.settings import ScheduleSettings


def doubts(experiment: Experiment) -> list[str]:
    """A sentence for each doubt, which begins with the field it is about."""
    recipe, learner = experiment.recipe, experiment.learner
    # How many epochs a run of so many steps has, only the data tells.
    epochs = recipe.train.epochs if recipe.train.steps is None else math.inf
    found = [*deprecated_parts(experiment), *_of_schedule(recipe.schedule, epochs)]
    image = experiment.data_source.image
    if image is not None:
        found += idle_in_backbone(experiment, experiment.facts(image))
    if learner is None:
        return found
    if not math.isinf(epochs):
        found += doubts_of_phases(experiment, epochs)
    if image is not None and experiment.facts(image).grid.num_patches == 1:
        found.append("order.learner: an image has a single patch, so there is no order to learn")
    elif image is not None and not _order_matters(experiment, experiment.facts(image)):
        found.append(
            f"backbone.name: {experiment.backbone.name} gives the same output in every order, "
            "so the learner has nothing to learn; that is a control, not an experiment"
        )
    if experiment.trials is not None and LearnedStatic.name in recipe.controls:
        found.append(
            "controls: learned-static trains the run a second time: with search: validated, the run itself is trained "
            "from scratch in its order"
        )
    if not recipe.controls and experiment.control is None:
        found.append("controls: there is no run beside it that would tell what the learned order is worth")
    return found


def _order_matters(experiment: Experiment, facts: BackboneFacts) -> bool:
    """Whether what the task reads can change with the order: the readout, or what is in the slots."""
    return bool(facts.slots_order_sensitive if experiment.task.is_dense else facts.order_sensitive)


def idle_in_backbone(experiment: Experiment, facts: BackboneFacts) -> list[str]:
    """A sentence for each option of the backbone that changes nothing, and what else the backbone warns of.

    Args:
        experiment: the parts.
        facts: of the backbone, for the images of the run.
    """
    names = type(experiment.backbone_options).model_fields
    idle = [(name, reason) for name, reason in facts.idle.items() if name.partition(".")[0] in names]
    found = [f"backbone.{name}: changes nothing: {reason}" for name, reason in idle]
    return [*found, f"backbone.{facts.caution}"] if facts.caution else found


def doubts_of_phases(experiment: Experiment, epochs: float) -> list[str]:
    """A sentence if the phases of the learner hardly suit the run; none of a rule, which searches nothing.

    Args:
        experiment: the parts.
        epochs: of the run.
    """
    learner = experiment.learner
    if learner is None or learner.is_rule:
        return []
    phases = learner.phases(epochs)
    if experiment.recipe.order.weights is not None and phases.end_epoch == 0:  # it keeps what it learned before
        return []
    doubt = phases.doubt(epochs)
    return [] if doubt is None else [f"order.learner: {doubt}"]


def _of_schedule(schedule: ScheduleSettings, epochs: float) -> list[str]:
    """A sentence for each length that exceeds the run, and for each field that a recipe gives and that changes nothing.

    Args:
        schedule: of the step size.
        epochs: of the run; infinite where only the data tells.
    """
    warmup, hold = (_share(length, epochs) for length in (schedule.warmup_epochs, schedule.hold_epochs))
    found: list[str] = []
    idle: dict[str, str] = {}
    if warmup >= 1:
        length = "1 epoch is" if epochs == 1 else "run is" if math.isinf(epochs) else f"{epochs:g} epochs are"
        found.append(f"schedule.warmup_epochs: the step size still warms up when the {length} over")
    if schedule.shape == "constant":
        idle["hold_epochs"] = "changes nothing: the step size stays at its peak anyway"
        if warmup == 0:
            idle["min_ratio"] = "changes nothing: the step size stays at its peak from the first step on"
    elif warmup < 1 <= round(warmup + hold, 9):
        idle["shape"] = "changes nothing: the run is over before the step size decays"
    given = schedule.model_fields_set
    return found + [f"schedule.{name}: {reason}" for name, reason in idle.items() if name in given]


def _share(length: float | ShareOfRun, epochs: float) -> float:
    """A length as a share of the run."""
    return length.percent / 100 if isinstance(length, ShareOfRun) else length / epochs
