"""Fixed start: is the learned order better than the starting order?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class FixedStart(TrainedControl):
    """The same training in the unchanged starting order, which a learner has to beat."""

    name = "fixed-start"
    words = "the start kept"
    needs = frozenset({"learner"})

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """Without the learner."""
        return {**content, "order": {**content["order"], "learner": None}}
