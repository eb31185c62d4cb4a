"""Informed: which patch adds most to what is already known about the target, and where does the model look?"""

from __future__ import annotations

from itertools import pairwise

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Order, PatchRanking, Prior, PriorContext, RankingPrior
from reorder_kit.ops.greedy_ridge import Criterion, greedy_ridge
from reorder_kit.priors._told import ToldOptions


class Informed(RankingPrior):
    """Ranks patches by what each adds about the target to those ranked before it.

    A ridge regression predicts the target from whitened principal components of each patch and their squares. Patches
    are chosen one by one, each so that the squared error on held-out images falls most. The target is the class or
    classes of an image, including those of boxes and masks; without any, it is the image itself. The most informative
    patch starts in the slot with the most influence on the loss of untrained models, and so on.

    Only training images are used, under the recipe's training transforms. A regression on a few components captures
    shapes and colors, not textures: compare the start with fixed ones before you trust it.

    Source: forward selection, Miller, "Selection of Subsets of Regression Variables", 1984,
    https://doi.org/10.2307/2981576
    """

    name = "informed"

    class Options(ToldOptions):
        """What to optimize."""

        criterion: Criterion = Field(
            "squared-error",
            description="what each choice optimizes on held-out images: the squared error or, for images of one class "
            "each, how many classes are predicted correctly",
        )

    options: Options

    def rank(self, context: PriorContext) -> PatchRanking:
        """By what each adds to those before it.

        Raises:
            ReorderKitError: if accuracy is the criterion, but images do not have one class each.
        """
        rows, criterion = self.options.rows(context), self.options.criterion
        if criterion == "accuracy" and rows.frequency is None:
            raise ReorderKitError(
                f"informed: criterion: accuracy needs images of one class each, but here the target is the "
                f"{rows.words} of an image",
                "use criterion: squared-error",
            )
        selection = greedy_ridge(rows.features, rows.targets, rows.folds, rows.penalty, rows.frequency, criterion)
        told = [1 - unexplained for unexplained in selection.unexplained]
        adds = [after - before for before, after in pairwise([0.0, *told])]
        figures = {f"adds about the {rows.words}": adds, "in all": told}
        if selection.right is not None:
            figures["told right"] = selection.right
        return PatchRanking(Order(selection.patches), figures)


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [Informed]
