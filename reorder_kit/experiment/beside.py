"""The controls that are trained beside a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.errors import ComponentError, Problem, RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import TrainedControl
from reorder_kit.runs.run_folder import RunFolder


def compose_beside(experiment: Experiment, host: PluginHost, folder: RunFolder, source: str) -> dict[str, Experiment]:
    """What is trained beside a run, by control.

    Args:
        experiment: the run.
        host: the plugins there are.
        folder: of the run, whose orders some controls start from.
        source: what to call the recipe in messages.

    Raises:
        RecipeError: with every control whose recipe is refused.
    """
    trained = [control for control in experiment.beside if isinstance(control, TrainedControl)]
    content = experiment.resolved() if trained else {}
    found: dict[str, Experiment] = {}
    problems = []
    for control in trained:
        try:
            found[control.name] = compose(recipe_beside(control, content, folder), host, f"control {control.name}")
        except RecipeError as error:
            told = "; ".join(map(str, error.problems))
            problems.append(Problem("controls", f"the recipe of {control.name} is refused: {told}", "leave it out"))
    if problems:
        raise RecipeError(problems, source)
    return found


def recipe_beside(control: TrainedControl, content: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The recipe of a run that is trained alongside; nothing is trained beside that one.

    Args:
        control: what is changed.
        content: the resolved recipe of the run.
        folder: of the run.
    """
    given: Any = control.recipe(content, str(folder.order))
    if not isinstance(given, Mapping) or not isinstance(given.get("order"), Mapping):
        reason = f"its recipe is a {type(given).__name__} without the sections of a recipe"
        raise ComponentError("control", control.name, reason, "return the content it was given, with one thing changed")
    changed = {**given, "controls": []}
    order = dict(changed["order"])
    if order.get("weights") is not None and order.get("learner") is None:
        # Without a learner nothing is learned further; what the run started from is the start.
        order["weights"] = None
        order.setdefault("start", {"file": str(folder.start_order)})
    return {**changed, "order": order}
