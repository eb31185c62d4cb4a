"""Pixel deviation: how much does each patch differ from image to image?"""

from __future__ import annotations

import torch
from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Order, PatchRanking, Prior, PriorContext, RankingOptions, RankingPrior
from reorder_kit.interfaces.numbers import Whole


class PixelDeviation(RankingPrior):
    """Ranks patches by the standard deviation of their pixels between images, averaged as variances over a patch.

    It ignores targets: a heuristic that every other ranking has to beat.
    """

    name = "pixel-deviation"

    class Options(RankingOptions):
        """Which images are used."""

        images: Whole = Field(
            2000, ge=2, le=1_000_000_000, description="training images to use, chosen at random by the run's seed"
        )

    options: Options

    def rank(self, context: PriorContext) -> PatchRanking:
        """The patch that varies most comes first; ties keep row-major order."""
        count, sums, squares = 0, torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
        for batch in context.training.patches(context.grid, self.options.images):
            values = batch.double()
            count, sums, squares = count + len(values), sums + values.sum(dim=0), squares + values.square().sum(dim=0)
        if not count:
            raise ReorderKitError("pixel-deviation looks at training images, but none could be read")
        variance = (squares / count - (sums / count).square()).clamp(min=0)
        deviation = variance.mean(dim=1).sqrt()
        patches = deviation.argsort(descending=True, stable=True)
        return PatchRanking(Order(patches), {"standard deviation of pixels": deviation[patches].tolist()})


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [PixelDeviation]
