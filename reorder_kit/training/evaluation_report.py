"""What ``reorder-kit evaluate`` found."""

from __future__ import annotations

from reorder_kit.runs.encoder_cost import ShareRead
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Record

OWN = "own order"
"""What the order of the run itself is called."""


class EvaluatedOrder(Record):
    """A trained model in an order.

    Args:
        order: what the order is called.
        kendall_tau_to_own: to the order of the run, or to the consensus; of a run that orders each image by what it
            shows, the mean over images.
        metrics: figures of the images.
    """

    order: str
    kendall_tau_to_own: float
    metrics: Figures


class EvaluationReport(Record):
    """A trained model in its own order and in others.

    Args:
        run: the run folder.
        split: which images.
        headline: the metric that stands for the others.
        higher_is_better: whether a higher headline is a better one.
        blocks: the blocks that the run orders before.
        is_consensus: whether each image has its own order.
        spread: of a consensus: the mean Kendall distance of the images' orders to it; else None.
        orders: its own first.
        shares: the first share of its own order, read alone: the curve of the score against the cost, from the smallest
            share to the largest.
        shares_note: what became of the shares that ``shares.json`` held before; empty if it held none.
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
