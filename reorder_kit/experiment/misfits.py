"""Parts of a recipe that do not fit together, although each is valid."""

from __future__ import annotations

from reorder_kit.errors import ComponentError, Problem, ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.policy_start import require_start
from reorder_kit.interfaces import BackboneFacts, Policy
from reorder_kit.interfaces.part import reads_file
from reorder_kit.orders.grid import Grid

STAND_IN_CLASSES = ("a", "b")
"""Placeholder class names, for checking a recipe without its data."""


_ANY_FACTS = BackboneFacts(Grid(4, 4), dim=16, depth=64)
"""Placeholder facts of a backbone, if only the data tells the shape of images."""


def trial_policy(experiment: Experiment) -> Policy | None:
    """The learner's policy as it would start; None without a learner, or if it cannot be built for such a backbone."""
    if experiment.learner is None:
        return None
    try:
        return experiment.trial_policy(known_facts(experiment) or _ANY_FACTS, STAND_IN_CLASSES)
    except ComponentError:
        raise
    except ReorderKitError:
        return None


def known_facts(experiment: Experiment) -> BackboneFacts | None:
    """The backbone's facts; None if only the data tells the shape of images.

    Raises:
        ReorderKitError: if the backbone cannot be built for the images.
    """
    image = experiment.data_source.image
    return None if image is None else experiment.facts(image)


def misfits_of_parts(experiment: Experiment) -> list[Problem]:
    """Misfits of backbone, learner and task, as far as they are known without data."""
    try:
        facts = known_facts(experiment)
    except ComponentError:
        raise
    except ReorderKitError as error:
        return [Problem("backbone", error.message.removeprefix("backbone "), error.hint)]
    if facts is None:
        return []
    try:
        experiment.check(facts, STAND_IN_CLASSES)
    except ComponentError:
        raise
    except ReorderKitError as error:
        return [Problem("task", f"{experiment.task.name}: {error.message}", error.hint)]
    return []


def misfits_of_orders(experiment: Experiment, in_files: bool = False) -> list[Problem]:
    """A starting order or a hidden order that does not fit the grid.

    Args:
        experiment: an experiment whose backbone fits its images.
        in_files: check only orders in files, which may be written later, instead of all others.
    """
    facts, image, plant = known_facts(experiment), experiment.data_source.image, experiment.plant
    if facts is None or image is None:
        return []
    problems = []
    if experiment.start_is_in_file == in_files:
        try:
            start = experiment.known_start(image, facts.grid)
            if start is not None:
                experiment.check_start(start, facts)
                require_start(experiment, start, facts, STAND_IN_CLASSES)
        except ComponentError:
            raise
        except ReorderKitError as error:
            field = "start" if experiment.recipe.order.weights is None else "weights"
            message = error.message.removeprefix("order.weights: ")
            problems.append(Problem(f"order.{field}", message, error.hint))
    if plant is not None and reads_file(plant.options) == in_files:
        try:
            experiment.check_plant(image, facts.grid)
        except ReorderKitError as error:
            problems.append(Problem("data.plant", error.message.removeprefix("data.plant: "), error.hint))
    return problems


def misfits_of_keep(experiment: Experiment) -> list[Problem]:
    """Parts that cannot read only a share of the patches, as far as known without data."""
    keep = experiment.recipe.order.keep
    if keep is None:
        return []
    try:
        facts = known_facts(experiment)
    except ComponentError:
        raise
    except ReorderKitError:  # reported for the backbone
        facts = None
    read = f"{keep:g} of all patches are read"
    if facts is not None:
        slots, patches = experiment.num_slots(facts.grid), facts.grid.num_patches
        if slots == patches:
            return []
        read = f"{slots} of {patches} patches are read"
    return [
        Problem("order.keep", f"{read}, but {reason}", f"leave out order.keep{hint}")
        for reason, hint in experiment.needs_of_every_patch(facts)
    ]


def misfits_of_phases(experiment: Experiment) -> list[Problem]:
    """A search that takes the whole run, if the length is given in epochs: only the data tells the epochs of steps."""
    if experiment.recipe.train.steps is not None:
        return []
    epochs = experiment.recipe.train.epochs
    misfit = experiment.phases(epochs).misfit(epochs)
    hint = "shorten the warm-up or the search, or raise train.epochs"
    return [] if misfit is None else [Problem("order.learner", misfit, hint)]


def misfits_of_trials(experiment: Experiment, policy: Policy | None) -> list[Problem]:
    """Trials, which judge one order, with a learner that does not give one.

    Args:
        experiment: the parts.
        policy: as the learner builds it; None if unknown.
    """
    if policy is None or experiment.trials is None or (policy.is_static and policy.blocks == (0,)):
        return []
    what = "reorders patches before later blocks" if policy.is_static else "gives each image its own order"
    reason = f"search: validated judges one order of all images before the first block, but this learner {what}"
    return [Problem("order.learner.search", reason, "use search: then-retrain, or a learner of one order")]


def misfits_of_plant(experiment: Experiment) -> list[Problem]:
    """Scrambling images of a source that does not support it."""
    data = experiment.data_source
    if experiment.kind.lies_in_image:
        reason = f"the images of {data.name} would be scrambled, but not their targets of the kind {experiment.kind}"
        return [Problem("data.plant", reason)]
    if data.hidden_order() is not None:
        return [Problem("data.plant", f"{data.name} already hides an order", "leave one of the two out")]
    return []


def misfits_of_weights(experiment: Experiment) -> list[Problem]:
    """A policy to continue, without a learner."""
    order = experiment.recipe.order
    if order.weights is None or order.learner is not None:
        return []
    hint = "name the run's learner, or start from its order with order.start: {file: order.json}"
    return [Problem("order.weights", "there is no learner to continue the policy", hint)]
