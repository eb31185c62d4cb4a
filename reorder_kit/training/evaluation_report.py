"""The result of ``reorder-kit evaluate``."""

from __future__ import annotations

from reorder_kit.runs.encoder_cost import ShareRead
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Record

OWN = "own order"
"""The name of the run's own order."""


class EvaluatedOrder(Record):
    """The evaluation of a trained model in one order.

    Args:
        order: the name of the order.
        kendall_tau_to_own: Kendall's tau to the run's order, or to the consensus; for a run that orders each image by
            its content, the mean over images.
        metrics: the metrics of the images.
    """

    order: str
    kendall_tau_to_own: float
    metrics: Figures


class EvaluationReport(Record):
    """The evaluation of a trained model in its own order and in others.

    Args:
        run: the run folder.
        split: the evaluated split.
        headline: the main metric.
        higher_is_better: whether a higher headline is better.
        blocks: the blocks that the run orders before.
        is_consensus: whether each image has its own order.
        spread: for a consensus, the mean Kendall distance of the images' orders to it; else None.
        orders: the orders, its own first.
        shares: evaluations that read only the first share of its own order: the score against the cost, from the
            smallest share to the largest.
        shares_note: what happened to the shares that ``shares.json`` held before; empty if it held none.
    """

    run: str
    split: str
    headline: str
    higher_is_better: bool
    blocks: list[int]
    is_consensus: bool = False
    spread: float | None = None
    orders: list[EvaluatedOrder]
    shares: list[ShareRead] = []
    shares_note: str = ""
