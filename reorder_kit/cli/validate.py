"""``reorder-kit validate``: check a recipe without loading data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from reorder_kit.cli._output import print_json, print_to_stderr
from reorder_kit.cli._parameters import DeviceOption, JsonOption, RecipeArgument, SeedOption, SetOption

if TYPE_CHECKING:
    from reorder_kit.experiment.experiment import Experiment
    from reorder_kit.recipe.settings import TrainSettings


def validate(
    recipe: RecipeArgument,
    sets: SetOption = None,
    device: DeviceOption = None,
    seed: SeedOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check a recipe without loading data; the files it names are checked as in a run.

    Lists every mistake at once, and warns of what is allowed but probably not intended. The exit code is 2 if there is
    a mistake, or if this machine cannot hold the run: its weights, its policy and a batch in memory, and the files it
    writes.

    \b
    Example:
      reorder-kit validate quickstart
      reorder-kit validate recipes/quickstart.yaml --set backbone.window=3
    """
    from reorder_kit.cli._lookup import load_host, recipe_content
    from reorder_kit.experiment import validate as validation
    from reorder_kit.experiment.doubts import doubts
    from reorder_kit.experiment.memory import refuse_hopeless

    experiment = validation.validate(recipe_content(recipe, sets, device, seed), load_host(), recipe)
    validation.refuse_unusable_files(experiment, recipe)
    refuse_hopeless(experiment, recipe, Path("runs"))
    found = doubts(experiment)
    if as_json:
        print_json({"name": experiment.recipe.name, **_slots(experiment), "warnings": found})
        return
    typer.echo(f"OK: {recipe}")
    for line in _summary(experiment):
        typer.echo(f"  {line}")
    for doubt in found:
        print_to_stderr(f"warning: {doubt}")


def _summary(experiment: Experiment) -> tuple[str, ...]:
    recipe, learner = experiment.recipe, experiment.learner
    order = f"order from {experiment.start.name}, " + (f"learned by {learner.name}" if learner else "not learned")
    if experiment.control is not None:
        order += f", under the control {experiment.control.name}"
    if read := _slots(experiment):
        order += f", {read['slots']} of {read['patches']} patches read"
    elif recipe.order.keep is not None:
        order += f", a share of {recipe.order.keep:g} of the patches read"
    controls = f"; controls: {', '.join(recipe.controls)}" if recipe.controls else ""
    scrambled = "" if experiment.plant is None else f", its patches scrambled by a hidden {experiment.plant.name} order"
    data = f"{experiment.data_source.name}{scrambled}"
    return (
        f"{experiment.backbone.name} does {experiment.task.name} on {data}; {order}{controls}",
        f"{_length(recipe.train)}, {recipe.data.batch_size} images per batch, "
        f"{recipe.optimizer.name} with step size {recipe.optimizer.lr:g}, seed {recipe.seed}",
        *_cost_of_search(experiment),
    )


def _slots(experiment: Experiment) -> dict[str, int]:
    """The number of slots that ``order.keep`` means, if it is set and the image shape is known without data."""
    image = experiment.data_source.image
    if experiment.recipe.order.keep is None or image is None:
        return {}
    grid = experiment.facts(image).grid
    return {"slots": experiment.num_slots(grid), "patches": grid.num_patches}


def _cost_of_search(experiment: Experiment) -> list[str]:
    learner, recipe = experiment.learner, experiment.recipe
    if learner is None:
        return []
    found = []
    if learner.phases(recipe.train.epochs).retrains:
        found.append(
            f"the search and the training of new weights in the learned order share the {_length(recipe.train)}; "
            "so do the controls"
        )
    if (trials := experiment.trials) is not None:
        steps = "20% of its steps" if trials.steps is None else f"{trials.steps} steps"
        found.append(
            f"before the run, a separate search of {_epochs(learner.phases(recipe.train.epochs).end_epoch)}, then "
            f"{2 * trials.seeds} short trainings of {steps}, which compare its order with the start"
            if recipe.train.steps is None
            else f"before the run, a separate search, then {2 * trials.seeds} short trainings of {steps}"
        )
    if passes := learner.extra_passes(recipe.data.batch_size):
        found.append(f"a step of the search tries orders in {passes:.2g} extra forward passes of a batch")
    return found


def _length(train: TrainSettings) -> str:
    if train.steps is None:
        return _epochs(train.epochs)
    return "1 step" if train.steps == 1 else f"{train.steps} steps"


def _epochs(count: float) -> str:
    return "1 epoch" if count == 1 else f"{count:g} epochs"
