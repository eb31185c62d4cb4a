"""The closed-form scores of a learned order and of its start."""

from __future__ import annotations

import torch

from reorder_kit.analysis.closed_form import closed_form_score
from reorder_kit.data.told_rows import ToldRows, told_rows
from reorder_kit.data.training_split import TrainingSplit
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.interfaces import DataSplits
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.runs.result import ClosedForm, RunOrder

IMAGES = 500
"""The most training images; reading them takes as long as reading the same number in an epoch."""


def score_learned_order(experiment: Experiment, splits: DataSplits, grid: Grid, order: RunOrder) -> RunOrder:
    """Facts about an order, with its closed-form score, weighted by the influence of the trained model's slots.

    Args:
        experiment: the parts of a run that learned the order.
        splits: its data, of which only training images are read.
        grid: the grid of patches.
        order: the facts about the order.
    """
    reason = _does_not_apply(order)
    rows = None if reason else _rows(experiment, splits, grid)
    if isinstance(rows, ToldRows):
        shares = torch.tensor(order.influence)
        score = ClosedForm(
            about=rows.words,
            images=rows.images,
            start=closed_form_score(rows, Order(order.start, grid.num_patches), shares),
            final=closed_form_score(rows, Order(order.final, grid.num_patches), shares),
        )
        return order.model_copy(update={"closed_form": score})
    return order.model_copy(update={"closed_form_does_not_apply": reason or rows})


def _rows(experiment: Experiment, splits: DataSplits, grid: Grid) -> ToldRows | str:
    """Training images as rows of a regression, or the reason why this is impossible."""
    training = TrainingSplit(splits, experiment.recipe.seed, experiment.kind)
    try:
        return told_rows(training, splits.image, grid, IMAGES, views=0)
    except ReorderKitError as error:
        return error.message


def _does_not_apply(order: RunOrder) -> str:
    """Why there cannot be a score; empty if there can."""
    if order.is_consensus:
        return "each image has its own order"
    if order.influence is None:
        return order.influence_does_not_apply
    if order.influence_note:
        return "patches are ordered again before a later block"
    if not sum(order.influence) > 0:
        return "no slot of the trained model has influence"
    if not len(order.influence) == len(order.start) == len(order.final):
        return f"the start has {len(order.start)} slots, but the learned order has {len(order.final)}"
    return ""
