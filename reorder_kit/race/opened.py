"""A recipe whose candidates can be raced: its data opened, and what is known of its model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.closed_form import closed_form_score
from reorder_kit.data.data_loading import require_samples, steps_of_epoch
from reorder_kit.data.told_rows import ToldRows, told_rows
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import BackboneFacts, DataSplits, Influence, TaskContext
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.training.beginning import fit_task
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.short_training import influence_of_short_training

INFLUENCE_MODELS = 4
"""Untrained models whose influence by slot is averaged."""
TOLD_IMAGES = 2000
"""Training images that the closed-form score is about."""


@dataclass(frozen=True)
class OpenedRecipe:
    """A recipe without its learner, its control and the runs beside it, and its data.

    Args:
        experiment: the parts.
        splits: the data.
        facts: of the backbone.
    """

    experiment: Experiment
    splits: DataSplits
    facts: BackboneFacts

    @classmethod
    def open(cls, experiment: Experiment, splits: DataSplits) -> OpenedRecipe:
        """A recipe with its opened data.

        Raises:
            ReorderKitError: if its parts do not fit the data.
        """
        fixed = without_learner(experiment)
        facts = fixed.facts(splits.image)
        fixed.check(facts, splits.classes)
        return cls(fixed, splits, facts)

    @property
    def grid(self) -> Grid:
        """Of the patches."""
        return self.facts.grid

    @property
    def full_steps(self) -> int:
        """Optimizer steps of a full training run on one process.

        Raises:
            ReorderKitError: if there is no training image.
        """
        recipe = self.experiment.recipe
        require_samples(len(self.splits.train), "train", 1)
        per_epoch = steps_of_epoch(len(self.splits.train), 1, recipe.data.batch_size, recipe.train.accumulate)
        return recipe.train.steps or recipe.train.epochs * per_epoch

    @cached_property
    def accelerator(self) -> Accelerator:
        """The device."""
        return build_accelerator(self.experiment.recipe.train)

    @cached_property
    def influence(self) -> Influence:
        """How much each slot counts for models trained for some steps."""
        training = TrainingSplit(self.splits, self.experiment.recipe.seed, self.experiment.kind)
        fitted = fit_task(self.experiment, training)
        context = TaskContext(
            self.facts, self.splits.image, self.experiment.kind, self.splits.classes, fitted, self.accelerator.device
        )
        return influence_of_short_training(self.experiment, self.splits, context, self.accelerator)

    def start_of(self, experiment: Experiment) -> Order:
        """The order that the same recipe with another start begins with.

        Raises:
            ReorderKitError: if there is no such order.
        """
        order = experiment.starting_order(self.grid, self.splits, self.influence)
        experiment.check_start(order, self.facts)
        return order

    def profile(self, slots: int) -> Float[Tensor, " slot"]:
        """The influence of each slot on untrained models that read in random orders.

        Args:
            slots: of the orders.

        Raises:
            ReorderKitError: if slots have no influence of their own, as where a step reads its batch several times.
        """
        generator = torch.Generator().manual_seed(self.experiment.recipe.seed)
        orders = random_orders(self.grid.num_patches, slots, 2, generator)
        return self.influence(orders, INFLUENCE_MODELS, 0)

    def closed_form(self, orders: Sequence[Order], influence: Float[Tensor, " slot"]) -> list[float]:
        """The closed-form score of orders: a first opinion without training.

        Raises:
            ReorderKitError: if too few training images can be read.
        """
        return [closed_form_score(self._rows, order, influence) for order in orders]

    @cached_property
    def _rows(self) -> ToldRows:
        training = TrainingSplit(self.splits, self.experiment.recipe.seed, self.experiment.kind)
        return told_rows(training, self.splits.image, self.grid, TOLD_IMAGES, views=0)


def without_learner(experiment: Experiment) -> Experiment:
    """The same recipe with its start as it is: no learner, and no runs beside it.

    Raises:
        ReorderKitError: if the recipe is a control itself.
    """
    if experiment.control is not None:
        raise ReorderKitError(
            f"order.control: a race needs the recipe's own start, and {experiment.control.name} replaces it",
            "remove order.control",
        )
    order = experiment.recipe.order.model_copy(update={"learner": None})
    recipe = experiment.recipe.model_copy(update={"order": order, "controls": ()})
    return replace(experiment, recipe=recipe, learner=None, beside=())


def random_orders(patches: int, slots: int, count: int, generator: torch.Generator) -> list[Order]:
    """Random orders of so many slots."""
    return [Order(torch.randperm(patches, generator=generator)[:slots], patches) for _ in range(count)]
