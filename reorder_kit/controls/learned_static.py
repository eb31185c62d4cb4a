"""Learned static: is the learned order good in itself, or was it only good to change the order while training?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class LearnedStatic(TrainedControl):
    """New weights, trained in the learned order from the first step."""

    name = "learned-static"
    words = "the learned order from the first step"
    needs = frozenset({"learner"})

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The learned order as the start, and no learner."""
        return {**content, "order": {**content["order"], "learner": None, "start": {"file": learned_order}}}

    def described(self, learner: str | None, start: str) -> str:
        """Whose order it is."""
        return f"the order that {learner} learned from {start}, from scratch,"
