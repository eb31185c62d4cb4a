"""What is allowed in a recipe but probably not meant."""

from __future__ import annotations

import math

from reorder_kit.experiment.experiment import Experiment


def doubts(experiment: Experiment) -> list[str]:
    """A sentence for each doubt, which begins with the field it is about."""
    recipe, learner = experiment.recipe, experiment.learner
    found = []
    # How many epochs a run of so many steps has, only the data tells.
    epochs = recipe.train.epochs if recipe.train.steps is None else math.inf
    if recipe.schedule.warmup_epochs >= epochs:
        length = "1 epoch is" if epochs == 1 else f"{epochs:g} epochs are"
        found.append(f"schedule.warmup_epochs: the step size still warms up when the {length} over")
    if learner is None:
        return found
    doubt = None if math.isinf(epochs) else learner.phases(epochs).doubt(epochs)
    if doubt is not None:
        found.append(f"order.learner: {doubt}")
    image = experiment.data_source.image
    if image is not None and not experiment.facts(image).order_sensitive:
        found.append(
            f"backbone.name: {experiment.backbone.name} gives the same output in every order, "
            "so the learner has nothing to learn; that is a control, not an experiment"
        )
    if not recipe.controls and experiment.control is None:
        found.append("controls: there is no run beside it that would tell what the learned order is worth")
    return found
