"""The recipe of a control that is trained beside a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces import TrainedControl
from reorder_kit.runs.run_folder import RunFolder


def recipe_beside(control: TrainedControl, content: Mapping[str, Any], folder: RunFolder) -> dict[str, Any]:
    """The recipe of a run that is trained alongside; nothing is trained beside that one.

    Args:
        control: what is changed.
        content: the resolved recipe of the run.
        folder: of the run.
    """
    changed = {**control.recipe(content, str(folder.order)), "controls": []}
    order = dict(changed["order"])
    if order.get("weights") is not None and order.get("learner") is None:
        # Without a learner nothing is learned further; what the run started from is the start.
        order["weights"] = None
        order.setdefault("start", {"file": str(folder.start_order)})
    return {**changed, "order": order}
