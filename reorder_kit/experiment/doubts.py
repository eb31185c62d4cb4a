"""Warnings about what is allowed in a recipe but probably unintended."""

from __future__ import annotations

import math

from reorder_kit.controls import LearnedStatic
from reorder_kit.experiment.deprecated_parts import deprecated_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import BackboneFacts, PixelScale
from reorder_kit.interfaces.epochs import ShareOfRun
from reorder_kit.recipe.settings import ScheduleSettings


def doubts(experiment: Experiment) -> list[str]:
    """One sentence per doubt, which starts with the field that it is about."""
    recipe, learner = experiment.recipe, experiment.learner
    # If the length is given in steps, only the data tells the number of epochs.
    epochs = recipe.train.epochs if recipe.train.steps is None else math.inf
    found = [*doubts_of_parts(experiment), *_of_schedule(recipe.schedule, epochs)]
    image = experiment.data_source.image
    if learner is None:
        return found
    if not math.isinf(epochs):
        found += doubts_of_phases(experiment, epochs)
    if image is not None and experiment.facts(image).grid.num_patches == 1:
        found.append("order.learner: an image has a single patch, so there is no order to learn")
    elif image is not None and not _order_matters(experiment, experiment.facts(image)):
        found.append(
            f"backbone.name: {experiment.backbone.name} gives the same output in every order, "
            "so the learner has nothing to learn; use it only as a control"
        )
    if experiment.trials is not None and LearnedStatic.name in recipe.controls:
        found.append(
            "controls: learned-static repeats the run: with search: validated, the run itself is already trained from "
            "scratch in its order"
        )
    if not recipe.controls and experiment.control is None:
        found.append("controls: there are none, so nothing shows whether a gain comes from the learned order")
    return found


def _order_matters(experiment: Experiment, facts: BackboneFacts) -> bool:
    """Whether the order can change what the task reads: the readout, or the content of the slots."""
    return bool(facts.slots_order_sensitive if experiment.task.is_dense else facts.order_sensitive)


def doubts_of_parts(experiment: Experiment) -> list[str]:
    """A sentence for each part that a release will remove, and for each doubt about the backbone.

    The backbone is doubted only if the shape of the images is known without opening the data.
    """
    image = experiment.data_source.image
    of_backbone = [] if image is None else doubts_of_backbone(experiment, experiment.facts(image))
    return [*deprecated_parts(experiment), *of_backbone]


def doubts_of_backbone(experiment: Experiment, facts: BackboneFacts) -> list[str]:
    """A sentence for each backbone option that changes nothing, other warnings of the backbone, and pixels that it was
    not trained on.

    Args:
        experiment: the parts.
        facts: the backbone's facts, for the run's images.
    """
    names = type(experiment.backbone_options).model_fields
    idle = [(name, reason) for name, reason in facts.idle.items() if name.partition(".")[0] in names]
    found = [f"backbone.{name}: changes nothing: {reason}" for name, reason in idle]
    if facts.caution:
        found.append(f"backbone.{facts.caution}")
    return [*found, *_of_scale(experiment, facts)]


def _of_scale(experiment: Experiment, facts: BackboneFacts) -> list[str]:
    """A sentence if the data has, or may have, another scale than the weights were trained with."""
    weights, data = experiment.recipe.train.weights, experiment.data_source
    if facts.pixel_scale is None or (weights is not None and "backbone" in weights.parts):
        return []
    # A plugin may declare a scale as a plain pair.
    expected, owner = PixelScale(*facts.pixel_scale), f"the weights of backbone {experiment.backbone.name!r}"
    if data.pixel_scale is None:
        return [
            f"data: {owner} usually expect pixels scaled by {expected}; {data.name} does not say how it scales its "
            "own, so check that they fit"
        ]
    given = PixelScale(*data.pixel_scale)
    expected = expected.of_channels(len(given.mean))
    if given.is_close(expected):
        return []
    return [
        f"data: pixels are scaled by {given}, but {owner} usually expect {expected}; set data.mean and data.std to "
        "that, unless yours were trained otherwise"
    ]


def doubts_of_phases(experiment: Experiment, epochs: float) -> list[str]:
    """A sentence if the learner's phases hardly suit the run; none for a rule, which does not search.

    Args:
        experiment: the parts.
        epochs: the epochs of the run.
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
    """A sentence for each length that exceeds the run, and for each given field that changes nothing.

    Args:
        schedule: the schedule of the step size.
        epochs: the epochs of the run; infinite if only the data tells.
    """
    warmup, hold = (_share(length, epochs) for length in (schedule.warmup_epochs, schedule.hold_epochs))
    found: list[str] = []
    idle: dict[str, str] = {}
    if warmup >= 1:
        length = "1 epoch is" if epochs == 1 else "run is" if math.isinf(epochs) else f"{epochs:g} epochs are"
        found.append(f"schedule.warmup_epochs: the step size is still warming up when the {length} over")
    if schedule.shape == "constant":
        idle["hold_epochs"] = "changes nothing: with a constant shape, the step size stays at its peak"
        if warmup == 0:
            idle["min_ratio"] = "changes nothing: the step size is at its peak from the first step"
    elif warmup < 1 <= round(warmup + hold, 9):
        idle["shape"] = "changes nothing: the run ends before the step size decays"
    given = schedule.model_fields_set
    return found + [f"schedule.{name}: {reason}" for name, reason in idle.items() if name in given]


def _share(length: float | ShareOfRun, epochs: float) -> float:
    """A length as a share of the run."""
    return length.percent / 100 if isinstance(length, ShareOfRun) else length / epochs
