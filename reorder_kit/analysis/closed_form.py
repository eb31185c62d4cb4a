"""How good an order is, told without training: a regression that sees each patch as well as the model does."""

from __future__ import annotations

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor

from reorder_kit.data.told_rows import ToldRows
from reorder_kit.ops.folded_ridge import held_out_errors
from reorder_kit.orders.order import Order


def closed_form_score(rows: ToldRows, order: Order, influence: Float[Tensor, " slot"]) -> float:
    """The share of the target that a ridge regression on all patches tells of images it was not fitted to.

    The features of a patch are weighted by the square root of the influence of its slot, so that the regression pays
    dearly for what the model hardly sees. Patches without a slot, or in a slot without influence, are not seen. The
    penalty is the one with the least held-out error. A cheap first opinion: it knows no interaction of patches, and
    nothing of how a model reads.

    Args:
        rows: the images.
        order: of the patches; it may leave some out.
        influence: of each slot; it is scaled to a mean of 1.

    Returns:
        At most 1; 0 or less where nothing is told.
    """
    by_slot = influence.double() * len(influence) / influence.double().sum()
    weights = by_slot.new_zeros(order.num_patches)
    weights[order.indices] = by_slot
    seen = weights > 0
    features = rows.features[:, seen] * weights[seen].sqrt()[None, :, None]
    return 1 - float(held_out_errors(features.flatten(1), rows.targets, rows.folds).min())


def closed_form_scores(
    rows: ToldRows, orders: Mapping[str, Order], influence: Float[Tensor, " slot"]
) -> dict[str, float]:
    """The scores of several orders, the highest first; of equal ones by name."""
    scores = {name: closed_form_score(rows, order, influence) for name, order in orders.items()}
    return dict(sorted(scores.items(), key=lambda item: (-item[1], item[0])))
