"""Fixed start: is the learned order better than the one that learning began with?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class FixedStart(TrainedControl):
    """The same training with the starting order kept: what a learner has to beat."""

    name = "fixed-start"
    words = "the start kept"
    needs = frozenset({"learner"})

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """Without the learner."""
        return {**content, "order": {**content["order"], "learner": None}}
