"""A recipe ready to race: its opened data, and facts about its model."""

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
"""The number of untrained models whose influence by slot is averaged."""
TOLD_IMAGES = 2000
"""The number of training images for the closed-form score."""


@dataclass(frozen=True)
class OpenedRecipe:
    """A recipe without its learner and controls, with its data.

    Args:
        experiment: the parts of the recipe.
        splits: the data.
        facts: facts of the backbone.
    """

    experiment: Experiment
    splits: DataSplits
    facts: BackboneFacts

    @classmethod
    def open(cls, experiment: Experiment, splits: DataSplits) -> OpenedRecipe:
        """Combine a recipe with its opened data.

        Raises:
            ReorderKitError: if its parts do not fit the data.
        """
        fixed = without_learner(experiment)
        facts = fixed.facts(splits.image)
        fixed.check(facts, splits.classes)
        return cls(fixed, splits, facts)

    @property
    def grid(self) -> Grid:
        """The grid of patches."""
        return self.facts.grid

    @property
    def full_steps(self) -> int:
        """Optimizer steps of a full training run on one process.

        Raises:
            ReorderKitError: if there are no training images.
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
        """Measures the influence of each slot on models trained for some steps."""
        training = TrainingSplit(self.splits, self.experiment.recipe.seed, self.experiment.kind)
        fitted = fit_task(self.experiment, training)
        context = TaskContext(
            self.facts, self.splits.image, self.experiment.kind, self.splits.classes, fitted, self.accelerator.device
        )
        return influence_of_short_training(self.experiment, self.splits, context, self.accelerator)

    def start_of(self, experiment: Experiment) -> Order:
        """The starting order of the same recipe with another start.

        Raises:
            ReorderKitError: if the order cannot be made.
        """
        order = experiment.starting_order(self.grid, self.splits, self.influence)
        experiment.check_start(order, self.facts)
        return order

    def profile(self, slots: int) -> Float[Tensor, " slot"]:
        """Measure the influence of each slot on untrained models that read in random orders.

        Args:
            slots: number of slots of the orders.

        Raises:
            ReorderKitError: if single slots have no defined influence, for example if a step reads its batch several
                times.
        """
        generator = torch.Generator().manual_seed(self.experiment.recipe.seed)
        orders = random_orders(self.grid.num_patches, slots, 2, generator)
        return self.influence(orders, INFLUENCE_MODELS, 0)

    def closed_form(self, orders: Sequence[Order], influence: Float[Tensor, " slot"]) -> list[float]:
        """Compute the closed-form score of orders: a first estimate without training.

        Raises:
            ReorderKitError: if too few training images can be read.
        """
        return [closed_form_score(self._rows, order, influence) for order in orders]

    @cached_property
    def _rows(self) -> ToldRows:
        training = TrainingSplit(self.splits, self.experiment.recipe.seed, self.experiment.kind)
        return told_rows(training, self.splits.image, self.grid, TOLD_IMAGES, views=0)


def without_learner(experiment: Experiment) -> Experiment:
    """The same recipe with its start fixed: without learner and controls.

    Raises:
        ReorderKitError: if the recipe is itself a control.
    """
    if experiment.control is not None:
        raise ReorderKitError(
            f"order.control: a race needs the recipe's own start, but {experiment.control.name} replaces it",
            "remove order.control",
        )
    order = experiment.recipe.order.model_copy(update={"learner": None})
    recipe = experiment.recipe.model_copy(update={"order": order, "controls": ()})
    return replace(experiment, recipe=recipe, learner=None, beside=())


def random_orders(patches: int, slots: int, count: int, generator: torch.Generator) -> list[Order]:
    """Random orders with a given number of slots."""
    return [Order(torch.randperm(patches, generator=generator)[:slots], patches) for _ in range(count)]
