"""Smoothness prior: start from the order along which the image changes least."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reorder_kit import hookimpl
from reorder_kit.interfaces import ComponentOptions, Order, Prior, ScoringPrior

reorder_kit_api = "1.0"


class Smoothness(ScoringPrior):
    """Minus the mean difference of consecutive patches, pixel by pixel, over all steps and images.

    A score of 0 is a sequence of equal patches. Scores are in units of the normalised pixels.
    """

    name = "smoothness"

    class Options(ComponentOptions):
        norm: Literal["l1", "l2"] = Field(
            "l1", description="difference of two patches: l1 is the mean absolute one, l2 the root of the mean square"
        )

    options: Options

    def score(self, patches: Float[Tensor, "image patch pixel"], orders: Mapping[str, Order]) -> dict[str, float]:
        """One score for each order; all are 0 for a single patch."""
        return {name: self._score(order.apply(patches)) for name, order in orders.items()}

    def _score(self, slots: Float[Tensor, "image slot pixel"]) -> float:
        steps = slots.diff(dim=1)
        if not steps.numel():
            return 0.0
        if self.options.norm == "l1":
            return -float(steps.abs().mean())
        return -float(steps.square().mean(dim=2).sqrt().mean())


@hookimpl
def register_priors() -> list[type[Prior]]:
    """Register the prior."""
    return [Smoothness]
