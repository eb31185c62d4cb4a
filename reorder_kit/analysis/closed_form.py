"""Score an order without training: a regression that sees each patch as well as the model does."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.told_rows import ToldRows
from reorder_kit.ops.folded_ridge import held_out_errors
from reorder_kit.orders.order import Order


def closed_form_score(rows: ToldRows, order: Order, influence: Float[Tensor, " slot"]) -> float:
    """The share of the target that a ridge regression on all patches explains on held-out images.

    The features of a patch are weighted by the square root of the influence of its slot, so that the regression pays a
    high penalty for what the model hardly sees. Patches without a slot, or in a slot without influence, are not seen.
    The penalty is the one with the smallest held-out error. It is a cheap first opinion: it ignores interactions
    between patches, and how a model reads.

    Args:
        rows: the images.
        order: one order for all images; it may leave patches out.
        influence: the influence of each slot; it is scaled to a mean of 1 over patches.

    Returns:
        At most 1; 0 or less if nothing is explained.
    """
    weight = influence.double() * order.num_patches / influence.double().sum()
    weights = weight.new_zeros(order.num_patches).index_copy(0, order.indices, weight)
    seen = weights > 0
    features = rows.features[:, seen] * weights[seen].sqrt()[None, :, None]
    return 1 - float(held_out_errors(features.flatten(1), rows.targets, rows.folds).min())


def closed_form_scores(
    rows: ToldRows, orders: Mapping[str, Order], influence: Float[Tensor, " slot"]
) -> dict[str, float]:
    """The scores of several orders, highest first; equal ones by name."""
    scores = {name: closed_form_score(rows, order, influence) for name, order in orders.items()}
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
