"""The interface of a prior that ranks patches."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.numbers import Tries, Whole
from reorder_kit.interfaces.prior import Prior, PriorContext
from reorder_kit.orders.matching import matched
from reorder_kit.orders.order import Order


class RankingOptions(ComponentOptions):
    """How the influence of slots is measured."""

    models: Tries = Field(4, description="models whose influence by slot is averaged")
    orders: Tries = Field(2, description="random orders that the models read in, in turn")
    steps: Whole = Field(
        0, ge=0, le=1_000_000, description="steps that each model is trained for before its influence is measured"
    )


@dataclass(frozen=True)
class PatchRanking:
    """Patches, the most informative first.

    Args:
        patches: every patch once.
        figures: measurements, by a short description: a number for each patch, in the sequence of the ranking.
            Pictures show the first.
    """

    patches: Order
    figures: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not (self.patches.is_static and self.patches.is_full):
            raise ValueError("a ranking holds every patch once, and is the same for all images")
        for words, values in self.figures.items():
            if len(values) != self.patches.num_slots:
                raise ValueError(f"{words!r} has {len(values)} numbers for {self.patches.num_slots} patches")


class RankingPrior(Prior):
    """Ranks patches; a run starts with the best patch in the most influential slot, and so on.

    A complete plugin::

        import torch
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Order, PatchRanking, RankingPrior

        class Bright(RankingPrior):
            \"""Patches by how bright they are on average.\"""

            name = "bright"

            def rank(self, context):
                patches = torch.cat(list(context.training.patches(context.grid, images=256)))
                brightness = patches.mean(dim=(0, 2))
                order = brightness.argsort(descending=True, stable=True)
                return PatchRanking(Order(order), {"brightness": brightness[order].tolist()})

        @hookimpl
        def register_priors():
            return [Bright]

    Its own options derive from :class:`RankingOptions`.
    """

    Options = RankingOptions
    options: RankingOptions

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Where its order comes from."""
        return {"starts from": "its ranking of patches, matched to the influence of slots"}

    @abstractmethod
    def rank(self, context: PriorContext) -> PatchRanking:
        """The patches, the most informative first.

        Args:
            context: the data; training images only.
        """

    def influence(self, context: PriorContext, steps: int, models: int | None = None) -> Float[Tensor, " slot"]:
        """The mean influence of each slot that is read, over models that read random patches in random orders.

        Args:
            context: measures the influence.
            steps: the number of steps that each model is trained for.
            models: the number of models; from the options if not given.
        """
        generator = torch.Generator().manual_seed(context.seed)
        patches = context.grid.num_patches
        orders = [Order(torch.randperm(patches, generator=generator)) for _ in range(self.options.orders)]
        read = [order.first(context.num_slots) for order in orders]
        return context.influence(read, self.options.models if models is None else models, steps)

    def start(self, context: PriorContext) -> Order:
        """The best patch in the most influential slot, the next in the next; the last patches may not be read."""
        best = self.rank(context).patches.first(context.num_slots)
        return matched(best, self.influence(context, self.options.steps))
