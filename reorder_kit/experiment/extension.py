"""More epochs of a finished run, as a recipe of their own."""

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
    """The recipe of a run that trains the final weights of another one for more epochs.

    The order is the final one from the first step on; a policy that orders each image by what it shows keeps doing so,
    and learns no more. The schedule of the step size begins anew. No controls are trained beside it.

    Args:
        folder: the finished run.
        epochs: to add.
        host: where its components come from.

    Raises:
        ReorderKitError: if the run is not finished or is damaged, or its learner cannot keep what it has learned.
    """
    result = folder.read_result()
    run = LoadedRun.open(folder.path, host, allow_download=True)  # as a run of a recipe may; nothing is opened here
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
        "trackers": recipe_here(folder).get("trackers", []),  # a run that is opened again has none
        "schedule": experiment.recipe.schedule.scaled(epochs, full).model_dump(mode="json"),
        "train": {**train, "epochs": epochs, "weights": {"run": str(folder.path.absolute()), "freeze": freeze}},
    }


def extended_run(folder: RunFolder) -> str | None:
    """The run whose weights a run has trained on, in the order of that run; None if it did not begin so.

    Args:
        folder: of a run that learned no order.

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
    """What to say of the controls that were trained beside a run, and are not extended with it; None without any."""
    beside = folder.beside
    if not beside:
        return None
    commands = "; ".join(f"reorder-kit run {run.path} --extend {epochs}" for run in beside.values())
    return (
        f"the controls of {folder.path} are not extended with it; scores are comparable only if they train as long: "
        f"{commands}"
    )


def _order(run: LoadedRun, section: Mapping[str, Any]) -> dict[str, Any]:
    """The section ``order`` that keeps the order a run ended with.

    Args:
        run: the run.
        section: of its recipe.
    """
    experiment, folder = run.experiment, run.folder.path.absolute()
    learner = experiment.learner
    if learner is None or not experiment.learns or learner.is_rule:
        # What stays as it started, or follows a rule, does so again.
        return {**section, "start": {"file": str(folder / "orders" / "start.json")}}
    kept = {"learner": None, "control": "none"}
    if experiment.trials is not None or (run.model.policy.is_static and run.model.policy.blocks == (0,)):
        return {"start": {"file": str(folder / "order.json")}, "keep": section["keep"], **kept}
    if not type(learner.options).model_fields.keys() >= _SEARCHES_NOTHING.keys():
        raise ReorderKitError(
            f"{run.folder.path}: {learner.name} gives no single order, and has no option that ends its search",
            "extend a run that ends in one order for all images, before the first block",
        )
    options = learner.options.model_dump(mode="json")
    return {"weights": str(folder), "learner": {"name": learner.name, **options, **_SEARCHES_NOTHING}}


def _name(name: str, folder: Path) -> str:
    """Of a control beside a run, whose recipe has the name of the run, with that of the control."""
    name = name.replace("/controls/", "-").removesuffix(SUFFIX)
    return f"{name}{SUFFIX}"
