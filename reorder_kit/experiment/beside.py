"""The controls that are trained along with a run."""

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
    """The runs of a run's trained controls, by control.

    Args:
        experiment: the run.
        host: the available plugins.
        folder: the run's folder, whose orders some controls start from.
        source: the recipe's name in messages.

    Raises:
        RecipeError: listing every control whose recipe is refused.
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
            problems.append(Problem("controls", f"the recipe of {control.name} is refused: {told}", "remove it"))
    if problems:
        raise RecipeError(problems, source)
    return found


def recipe_beside(control: TrainedControl, content: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The recipe of a control's run, which has no controls of its own.

    Args:
        control: the control.
        content: the resolved recipe of the run.
        folder: the run's folder.
    """
    given: Any = control.recipe(content, str(folder.order))
    if not isinstance(given, Mapping) or not isinstance(given.get("order"), Mapping):
        reason = f"its recipe is a {type(given).__name__} without the sections of a recipe"
        raise ComponentError("control", control.name, reason, "return the given content, with one thing changed")
    changed = {**given, "controls": []}
    order = dict(changed["order"])
    if order.get("weights") is not None and order.get("learner") is None:
        # Without a learner there is no policy to continue; the start is that of the run.
        order["weights"] = None
        order.setdefault("start", {"file": str(folder.start_order)})
    return {**changed, "order": order}
