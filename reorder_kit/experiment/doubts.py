"""What is allowed in a recipe but probably not meant."""

from __future__ import annotations

import math

from reorder_kit.controls import LearnedStatic
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import BackboneFacts
from reorder_kit.recipe.settings import ScheduleSettings


def doubts(experiment: Experiment) -> list[str]:
    """A sentence for each doubt, which begins with the field it is about."""
    recipe, learner = experiment.recipe, experiment.learner
    found = []
    # How many epochs a run of so many steps has, only the data tells.
    epochs = recipe.train.epochs if recipe.train.steps is None else math.inf
    if recipe.schedule.warmup_epochs >= epochs:
        length = "1 epoch is" if epochs == 1 else f"{epochs:g} epochs are"
        found.append(f"schedule.warmup_epochs: the step size still warms up when the {length} over")
    found += [f"schedule.{name}: {reason}" for name, reason in _idle_in_schedule(recipe.schedule, epochs).items()]
    image = experiment.data_source.image
    if image is not None:
        found += idle_in_backbone(experiment, experiment.facts(image))
    if learner is None:
        return found
    doubt = None if math.isinf(epochs) else learner.phases(epochs).doubt(epochs)
    if doubt is not None:
        found.append(f"order.learner: {doubt}")
    if image is not None and experiment.facts(image).grid.num_patches == 1:
        found.append("order.learner: an image has a single patch, so there is no order to learn")
    elif image is not None and not experiment.facts(image).order_sensitive:
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


def idle_in_backbone(experiment: Experiment, facts: BackboneFacts) -> list[str]:
    """A sentence for each option of the backbone that changes nothing.

    Args:
        experiment: the parts.
        facts: of the backbone, for the images of the run.
    """
    names = type(experiment.backbone_options).model_fields
    return [f"backbone.{name}: changes nothing: {reason}" for name, reason in facts.idle.items() if name in names]


def _idle_in_schedule(schedule: ScheduleSettings, epochs: float) -> dict[str, str]:
    """Fields that a recipe gives and that change nothing, each with the reason."""
    found = {}
    decay = schedule.warmup_epochs + schedule.hold_epochs
    if schedule.shape == "constant":
        found["hold_epochs"] = "changes nothing: the step size stays at its peak anyway"
        if schedule.warmup_epochs == 0:
            found["min_ratio"] = "changes nothing: the step size stays at its peak from the first step on"
    elif schedule.warmup_epochs < epochs <= decay:
        found["shape"] = "changes nothing: the run is over before the step size decays"
    return {name: reason for name, reason in found.items() if name in schedule.model_fields_set}
