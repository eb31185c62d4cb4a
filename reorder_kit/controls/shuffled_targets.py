"""Shuffled targets: what does a model score without looking at the images?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class ShuffledTargets(TrainedControl):
    """Training images have each other's targets, so images carry no signal."""

    name = "shuffled-targets"
    words = "each other's targets on training images"

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """With the option of the data that deals out targets anew."""
        return {**content, "data": {**content["data"], "shuffle_targets": True}}
