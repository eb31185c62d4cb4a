"""The recipe that trains a finished run for more epochs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.reopening import recipe_here
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.run_folder import RunFolder

SUFFIX = "-extended"
_SEARCHES_NOTHING = {"search": "while-training", "warmup_epochs": 0, "search_epochs": 0}


def extended_recipe(folder: RunFolder, epochs: int, host: PluginHost) -> dict[str, Any]:
    """The recipe of a run that trains another run's final weights for more epochs.

    The final order is used from the first step; a policy that orders each image by its content keeps doing so without
    further learning. The schedule of the step size starts again. No controls are trained.

    Args:
        folder: the finished run.
        epochs: the number of epochs to add.
        host: provides its components.

    Raises:
        ReorderKitError: if the run is not finished or is damaged, or its learner cannot keep what it has learned.
    """
    result = folder.read_result()
    run = LoadedRun.open(folder.path, host, allow_download=True)  # as for running a recipe; no data is opened here
    experiment = run.experiment
    content = experiment.resolved()
    train = {name: value for name, value in content["train"].items() if name != "steps"}
    weights = experiment.recipe.train.weights
    freeze = [] if weights is None else list(weights.freeze)
    full = experiment.recipe.train.epochs_of(run.progress.steps_per_epoch)
    return {
        **content,
        "name": _name(result.name, folder.path),
        "order": _order(run, content["order"]),
        "controls": [],
        "trackers": recipe_here(folder).get("trackers", []),  # a reopened run has no trackers
        "schedule": experiment.recipe.schedule.scaled(epochs, full).model_dump(mode="json"),
        "train": {**train, "epochs": epochs, "weights": {"run": str(folder.path.absolute()), "freeze": freeze}},
    }


def extended_run(folder: RunFolder) -> str | None:
    """The run that a run extends, whose weights and order it started from; None if it is not an extension.

    Args:
        folder: the folder of a run that learned no order.

    Raises:
        ReorderKitError: if its recipe is damaged.
    """
    content = read_recipe_file(folder.intact(folder.recipe))
    weights, start = content["train"]["weights"], content["order"]["start"]
    if not isinstance(weights, Mapping) or not isinstance(start, Mapping) or "file" not in start:
        return None
    run = str(weights["run"])
    return run if Path(str(start["file"])).is_relative_to(run) else None


def controls_left_out(folder: RunFolder, epochs: int) -> str | None:
    """A message about a run's trained controls, which are not extended with it; None if it has none."""
    beside = folder.beside
    if not beside:
        return None
    commands = "; ".join(f"reorder-kit run {run.path} --extend {epochs}" for run in beside.values())
    return (
        f"the controls of {folder.path} are not extended; scores are only comparable if they train equally long: "
        f"{commands}"
    )


def _order(run: LoadedRun, section: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``order`` that keeps a run's final order.

    Args:
        run: the run.
        section: the section ``order`` of its recipe.
    """
    experiment, folder = run.experiment, run.folder.path.absolute()
    learner = experiment.learner
    if learner is None or not experiment.learns or learner.is_rule:
        # An unchanged start or a rule is used again.
        return {**section, "start": {"file": str(folder / "orders" / "start.json")}}
    kept = {"learner": None, "control": "none"}
    if experiment.trials is not None or (run.model.policy.is_static and run.model.policy.blocks == (0,)):
        return {"start": {"file": str(folder / "order.json")}, "keep": section["keep"], **kept}
    if not type(learner.options).model_fields.keys() >= _SEARCHES_NOTHING.keys():
        raise ReorderKitError(
            f"{run.folder.path}: {learner.name} does not give a single order, and has no option that ends its search",
            "extend a run that ends with one order for all images, before the first block",
        )
    options = learner.options.model_dump(mode="json")
    return {"weights": str(folder), "learner": {"name": learner.name, **options, **_SEARCHES_NOTHING}}


def _name(name: str, folder: Path) -> str:
    """The name for an extension; a control's run, whose recipe has the run's name, also gets the control's name."""
    name = name.replace("/controls/", "-").removesuffix(SUFFIX)
    return f"{name}{SUFFIX}"
