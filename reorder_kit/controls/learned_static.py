"""Learned static: is the learned order itself good, or did only changing the order during training help?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class LearnedStatic(TrainedControl):
    """New weights, trained in the learned order from the first step.

    If the learner gives each image its own order, all images are read in the consensus of these orders.
    """

    name = "learned-static"
    words = "the learned order from the first step"
    needs = frozenset({"learner"})

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """The learned order as the start, and no learner."""
        return {**content, "order": {**content["order"], "learner": None, "start": {"file": learned_order}}}

    def words_for(self, is_consensus: bool) -> str:
        """Other words for a consensus, which is not an order that the run learned."""
        return "the consensus of the learned orders from the first step" if is_consensus else self.words

    def described(self, learner: str | None, start: str, is_consensus: bool = False) -> str:
        """The row's description: whose order it is."""
        what = "the consensus of the orders" if is_consensus else "the order"
        return f"{what} that {learner} learned from {start}, from scratch,"
