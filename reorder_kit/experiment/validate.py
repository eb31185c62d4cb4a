"""Refuse everything that a run would refuse before it looks at its data."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reorder_kit.errors import Problem, RecipeError, ReorderKitError
from reorder_kit.experiment.backbone_trial import refuse_wrong_backbone
from reorder_kit.experiment.beside import compose_beside
from reorder_kit.experiment.building import finished_checkpoint
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.misfits import misfits_of_orders
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.runs.run_folder import RunFolder


@names_plugins
def validate(content: Mapping[str, Any], host: PluginHost, source: str) -> Experiment:
    """Check a recipe and those of its controls; files that it names may be written later.

    Args:
        content: the recipe as plain data.
        host: the available plugins.
        source: the recipe's name in messages.

    Raises:
        RecipeError: with every mistake.
    """
    experiment = compose(content, host, source)
    refuse_wrong_backbone(experiment)
    compose_beside(experiment, host, RunFolder(Path(experiment.recipe.name)), source)
    return experiment


def refuse_unusable_files(experiment: Experiment, source: str) -> None:
    """Refuse orders, runs and weights named in a recipe that are missing or do not fit it.

    Args:
        experiment: the composed recipe.
        source: the recipe's name in messages.

    Raises:
        RecipeError: listing all of them.
    """
    problems = [*misfits_of_orders(experiment, in_files=True), *_missing_weights(experiment)]
    weights = experiment.recipe.train.weights
    for field, run in (("train", None if weights is None else weights.run), ("order", experiment.recipe.order.weights)):
        try:
            if run is not None:
                finished_checkpoint(run)
        except ReorderKitError as error:
            problems.append(Problem(f"{field}.weights", error.message, error.hint))
    if problems:
        raise RecipeError(list(dict.fromkeys(problems)), source)


def _missing_weights(experiment: Experiment) -> list[Problem]:
    """Missing files of initial weights: files that a backbone no longer needs once its run has weights."""
    options: Any = experiment.backbone_options
    later: Any = experiment.without_downloads().backbone_options
    files = {name: path for name, path in options if isinstance(path, Path) and getattr(later, name, None) != path}
    return [
        Problem(f"backbone.{name}", f"the file {path} does not exist", "give the file of weights, or leave it out")
        for name, path in files.items()
        if not path.is_file()
    ]
