"""``reorder-kit validate``: check a recipe without loading data."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import typer

from reorder_kit.cli._output import print_json, print_to_stderr
from reorder_kit.cli._parameters import JsonOption, RecipeArgument, SetOption

if TYPE_CHECKING:
    from reorder_kit.experiment.experiment import Experiment
    from reorder_kit.recipe.settings import TrainSettings


def validate(recipe: RecipeArgument, sets: SetOption = None, as_json: JsonOption = False) -> None:
    """Check a recipe without loading data; the files it names are looked into, as a run would.

    Names every mistake at once, and what is allowed but probably not meant. Ends with 2 if there is a mistake.

    \b
    Example:
      reorder-kit validate quickstart
      reorder-kit validate recipes/quickstart.yaml --set backbone.window=3
    """
    from reorder_kit.cli._lookup import compose_recipe, load_host

    experiment = compose_recipe(recipe, sets, load_host())
    refuse_unusable_files(experiment, recipe)
    found = doubts(experiment)
    if as_json:
        print_json({"name": experiment.recipe.name, "warnings": found})
        return
    typer.echo(f"OK: {recipe}")
    for line in _summary(experiment):
        typer.echo(f"  {line}")
    for doubt in found:
        print_to_stderr(f"warning: {doubt}")


def refuse_unusable_files(experiment: Experiment, source: str) -> None:
    """Refuse orders and runs that a recipe names, but that are not there or not made for it, as a run would.

    Raises:
        RecipeError: with all of them.
    """
    from reorder_kit.errors import Problem, RecipeError, ReorderKitError
    from reorder_kit.experiment.building import finished_checkpoint
    from reorder_kit.experiment.misfits import misfits_of_orders

    problems = misfits_of_orders(experiment, in_files=True)
    weights = experiment.recipe.train.weights
    for field, run in (("train", None if weights is None else weights.run), ("order", experiment.recipe.order.weights)):
        try:
            if run is not None:
                finished_checkpoint(run)
        except ReorderKitError as error:
            problems.append(Problem(f"{field}.weights", error.message, error.hint))
    if problems:
        raise RecipeError(list(dict.fromkeys(problems)), source)


def doubts(experiment: Experiment) -> list[str]:
    """What is allowed in a recipe but probably not meant."""
    recipe, learner = experiment.recipe, experiment.learner
    found = []
    # How many epochs a run of so many steps has, only the data tells.
    epochs = recipe.train.epochs if recipe.train.steps is None else math.inf
    if recipe.schedule.warmup_epochs >= epochs:
        found.append(f"schedule.warmup_epochs: the step size still warms up when the {_epochs(epochs)} are over")
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


def _summary(experiment: Experiment) -> tuple[str, ...]:
    recipe, learner = experiment.recipe, experiment.learner
    order = f"order from {experiment.start.name}, " + (f"learned by {learner.name}" if learner else "not learned")
    if experiment.control is not None:
        order += f", under the control {experiment.control.name}"
    controls = f"; beside it: {', '.join(recipe.controls)}" if recipe.controls else ""
    scrambled = "" if experiment.plant is None else f", its patches scrambled by a hidden {experiment.plant.name} order"
    data = f"{experiment.data_source.name}{scrambled}"
    return (
        f"{experiment.backbone.name} does {experiment.task.name} on {data}; {order}{controls}",
        f"{_length(recipe.train)}, {recipe.data.batch_size} images a batch, "
        f"{recipe.optimizer.name} with step size {recipe.optimizer.lr:g}, seed {recipe.seed}",
        *_cost_of_search(experiment),
    )


def _cost_of_search(experiment: Experiment) -> list[str]:
    learner, recipe = experiment.learner, experiment.recipe
    if learner is None:
        return []
    found = []
    if learner.phases(recipe.train.epochs).retrains:
        found.append(
            f"the search and the training of new weights in the order found share the {_length(recipe.train)}; "
            "so does whatever runs beside it"
        )
    if passes := learner.extra_passes(recipe.data.batch_size):
        found.append(f"a step of the search tries orders in {passes:.2g} forward passes of a batch besides its own")
    return found


def _length(train: TrainSettings) -> str:
    if train.steps is None:
        return _epochs(train.epochs)
    return "1 step" if train.steps == 1 else f"{train.steps} steps"


def _epochs(count: float) -> str:
    return "1 epoch" if count == 1 else f"{count:g} epochs"
