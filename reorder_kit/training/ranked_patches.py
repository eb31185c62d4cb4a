"""A recipe's patches as ranked by its prior, and the influence of slots in its model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from jaxtyping import Float
from torch import Tensor

from reorder_kit.analysis.closed_form import closed_form_scores
from reorder_kit.analysis.ranked_recipe import orders_named
from reorder_kit.data.told_rows import told_rows
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.start_by_prior import StartByPrior
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import PatchRanking, RankingPrior, TaskContext
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.matching import effective_slots, matched
from reorder_kit.orders.order import Order
from reorder_kit.training.beginning import fit_task
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.short_training import influence_of_short_training

STEPS = 150
"""The steps after which influence is measured again: profiles of recurrent models flatten as they train. One model is
enough, because nothing depends on it, and training several would take most of the time on a large grid."""


@dataclass(frozen=True)
class RankedPatches:
    """The result of ranking patches.

    Args:
        name: the name of the recipe.
        prior: the prior's section in a recipe, with every option.
        grid: the grid of patches.
        ranking: the ranking of the patches.
        influence: the share of each slot, by the steps that the models were trained for.
        start: the order that a run starts from.
        told: what the closed-form score predicts.
        scores: the closed-form scores of orders by name, the highest first; the start is named after the prior.
    """

    name: str
    prior: Mapping[str, Any]
    grid: Grid
    ranking: PatchRanking
    influence: Mapping[int, Float[Tensor, " slot"]]
    start: Order
    told: str
    scores: Mapping[str, float]

    @property
    def slots(self) -> list[int | None]:
        """The slot of each patch in the start, in the sequence of the ranking; None for a patch that is not read."""
        found: list[int] = self.start.rank[self.ranking.patches.indices].tolist()
        return [None if slot < 0 else slot for slot in found]

    def as_dict(self) -> dict[str, Any]:
        """The result as plain data for JSON."""
        patches = self.ranking.patches.indices.tolist()
        of_patches = zip(patches, self.slots, *self.ranking.figures.values(), strict=True)
        names = ("patch", "slot", *self.ranking.figures)
        return {
            "name": self.name,
            "prior": dict(self.prior),
            "grid": [self.grid.height, self.grid.width],
            "patches": [dict(zip(names, values, strict=True)) for values in of_patches],
            "influence": {
                str(steps): {"slots": shares.tolist(), "effective": effective_slots(shares)}
                for steps, shares in self.influence.items()
            },
            "order": self.start.indices.tolist(),
            "closed_form": {"about": self.told, "scores": dict(self.scores)},
        }


def rank_patches(
    experiment: Experiment, names: Sequence[str], images: int, host: PluginHost, announce: Callable[[str], None]
) -> RankedPatches:
    """Rank patches by a recipe's prior, and measure the influence of slots before training and after a few steps.

    Args:
        experiment: an experiment that starts by a prior that ranks patches.
        names: names of orders to score besides the start; ``all`` stands for every ordering.
        images: the number of training images for the closed-form score.
        host: the available plugins.
        announce: called with a description of each longer step.

    Raises:
        ReorderKitError: if images cannot be read, an order is unknown, or a step of the task reads a batch several
            times, so that the influence of a slot is undefined.
    """
    start = experiment.start
    if not isinstance(start, StartByPrior) or not issubclass(start.prior.component, RankingPrior):
        raise TypeError("the recipe does not start by a prior that ranks patches")
    splits = experiment.open_data()
    facts, seed = experiment.facts(splits.image), experiment.recipe.seed
    num_slots = experiment.num_slots(facts.grid)
    orders = {name: order.first(num_slots) for name, order in orders_named(names, start, facts.grid, host).items()}
    accelerator = build_accelerator(experiment.recipe.train)
    training = TrainingSplit(splits, seed, experiment.kind)
    fitted = fit_task(experiment, training)
    context = TaskContext(facts, splits.image, experiment.kind, splits.classes, fitted, accelerator.device)
    experiment.check(facts, splits.classes)
    asked = experiment.prior_context(
        facts.grid, splits, influence_of_short_training(experiment, splits, context, accelerator)
    )
    prior = cast("RankingPrior", start.build(splits.image, facts.grid))
    options = prior.options
    ranking = prior.rank(asked)
    announce(f"measuring influence: {options.models} untrained models, and one after {STEPS} steps")
    influence = {
        steps: prior.influence(asked, steps, models=1 if steps == STEPS != options.steps else None)
        for steps in sorted({0, options.steps, STEPS})
    }
    order = matched(ranking.patches.first(num_slots), influence[options.steps])
    rows = told_rows(training, splits.image, facts.grid, images, views=0)
    scores = closed_form_scores(rows, {**orders, start.name: order}, influence[options.steps])
    return RankedPatches(
        experiment.recipe.name, start.prior.as_dict(), facts.grid, ranking, influence, order, rows.words, scores
    )
