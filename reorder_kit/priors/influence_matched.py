"""Influence-matched: any ranking of patches, placed where the model looks."""

from __future__ import annotations

from pydantic import Field

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Ordering, Part, PatchRanking, Prior, PriorContext, RankingOptions, RankingPrior


class InfluenceMatched(RankingPrior):
    """Takes an ordering as a ranking of patches, and puts its first patch in the most influential slot, and so on.

    With ``ranking: {name: custom, file: FILE}`` it takes any ranking, such as one from another tool. By default it puts
    the middle of the image where the model looks. To write a ranking in Python, derive from ``RankingPrior``.
    """

    name = "influence-matched"

    class Options(RankingOptions):
        """The ranking."""

        ranking: Part[Ordering] = Field(
            Part.named("spiral", reverse=True), description="visits patches from the most informative to the least"
        )

    options: Options

    def rank(self, context: PriorContext) -> PatchRanking:
        """As the ordering visits them.

        Raises:
            ReorderKitError: if it leaves patches out.
        """
        order = self.options.ranking.build().order(context.grid)
        if not order.is_full:
            left_out = order.num_patches - order.num_slots
            raise ReorderKitError(
                f"influence-matched ranks all patches, but {self.options.ranking.name} leaves out {left_out}",
                "give it an ordering of all patches",
            )
        return PatchRanking(order)


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [InfluenceMatched]
