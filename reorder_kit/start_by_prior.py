"""A starting order that a prior chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.grid import Grid
from reorder_kit.interfaces import ComponentOptions, DataSplits, ImageShape, Ordering, Prior, Tokenizer, TokenPrior
from reorder_kit.patch_order import Order
from reorder_kit.training_patches import TrainingPatches

PRIOR_IMAGES = 256


@dataclass(frozen=True)
class StartByPrior:
    """A prior, what it looks at, and the orderings among which it chooses.

    Args:
        prior: what scores.
        options: of the prior.
        tokenizer: what numbers patches, and its options; None for a prior that looks at pixels.
        candidates: orderings by name.
    """

    prior: type[Prior]
    options: ComponentOptions
    tokenizer: tuple[type[Tokenizer], ComponentOptions] | None
    candidates: Mapping[str, Ordering]

    @property
    def name(self) -> str:
        """Of the prior."""
        return self.prior.name

    def build(self, image: ImageShape, grid: Grid) -> Prior:
        """The prior, for images and their patches.

        Raises:
            ReorderKitError: if its tokenizer is not there, or made for other patches.
        """
        if self.tokenizer is None:
            return self.prior(self.options)
        kind, options = self.tokenizer
        prior = cast("type[TokenPrior]", self.prior)  # only those are given a tokenizer
        return prior(self.options, kind(options, image, grid))

    def orders(self, grid: Grid) -> dict[str, Order]:
        """The candidates' orders by name."""
        return {name: ordering.order(grid) for name, ordering in self.candidates.items()}

    def choose(self, splits: DataSplits, grid: Grid, seed: int) -> Order:
        """The order with the highest score on some training images; of equal ones, the first by name.

        Raises:
            ReorderKitError: if no image can be read.
        """
        prior, orders = self.build(splits.image, grid), self.orders(grid)
        batches = list(TrainingPatches(splits, grid, seed, PRIOR_IMAGES))
        if not batches:
            raise ReorderKitError("a prior has to choose the start, but no training image could be read")
        scores = prior.score(torch.cat(batches), orders)
        return orders[max(orders, key=lambda name: scores[name])]

    def chosen(self, start: Order, grid: Grid) -> str | None:
        """The ordering that was chosen when this start was."""
        return next((name for name, order in self.orders(grid).items() if order == start), None)

    def as_dict(self) -> dict[str, Any]:
        """As a recipe names it, with every default."""
        described = {"name": self.name, **self.options.model_dump(mode="json")}
        if self.tokenizer is None:
            return described
        kind, options = self.tokenizer
        return {**described, "tokenizer": {"name": kind.name, **options.model_dump(mode="json")}}
