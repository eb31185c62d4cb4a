"""Shuffled targets: what does a model score if images carry no signal?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reorder_kit.interfaces.control import TrainedControl


class ShuffledTargets(TrainedControl):
    """Training images have one another's targets, so they carry no signal."""

    name = "shuffled-targets"
    words = "shuffled targets on training images"

    def recipe(self, content: Mapping[str, Any], learned_order: str) -> dict[str, Any]:
        """With the data option that shuffles training targets."""
        return {**content, "data": {**content["data"], "shuffle_targets": True}}
