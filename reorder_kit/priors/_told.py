"""Shared parts of priors that rank patches by what they tell about the target."""

from __future__ import annotations

from pydantic import Field

from reorder_kit.data.told_rows import ToldRows, told_rows
from reorder_kit.interfaces import PriorContext, RankingOptions
from reorder_kit.interfaces.numbers import Whole


class ToldOptions(RankingOptions):
    """Which images are used."""

    images: Whole = Field(
        2000, ge=2, le=1_000_000_000, description="training images to use, chosen at random by the run's seed"
    )
    views: Whole = Field(
        1,
        ge=0,
        le=10_000,
        description="further versions of each under the training transform; none if nothing in it is random",
    )

    def rows(self, context: PriorContext) -> ToldRows:
        """These images as rows of a regression."""
        return told_rows(context.training, context.image, context.grid, self.images, self.views)
