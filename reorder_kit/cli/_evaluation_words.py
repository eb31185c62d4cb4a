"""Tables and sentences for the results of an evaluation."""

from __future__ import annotations

from reorder_kit.cli._tables import TextTable
from reorder_kit.cli._worst_class import describe_worst_class
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.runs.encoder_cost import OPERATIONS
from reorder_kit.statistics.headline import Headline, signed
from reorder_kit.training.evaluation_report import OWN, EvaluationReport


def introduction(report: EvaluationReport) -> list[str]:
    """Lines that say what was evaluated."""
    lines = [f"{report.run}: final weights, {report.orders[0].metrics.images} images"]
    if report.spread is not None:
        lines.append(f"It has no single order: {words_of_spread(report.spread)}.")
    if report.blocks != [0]:
        later = ", ".join(map(str, report.blocks[1:]))
        lines.append(
            f"It also orders before block {later}: tau compares with the composed order; "
            "other orders apply before block 0 only."
        )
    return lines


def evaluation_table(report: EvaluationReport) -> TextTable:
    """A table with a row for each order."""
    headline = _headline(report)
    scores = [row.metrics.score(headline.name) for row in report.orders]
    are_shares = headline.are_shares(scores)
    rows = []
    for row, score in zip(report.orders, scores, strict=True):
        difference = "" if row.order == OWN else signed(headline.gain(score, scores[0]), are_shares)
        tau = f"{row.kendall_tau_to_own:.3f}"
        rows.append([row.order, f"{score:.3f}", difference, f"{row.metrics.loss:.3f}", tau])
    compared = "consensus" if report.spread is not None else "own order"
    measured = [f"{report.split} {headline}", headline.difference, "loss"]
    return ["order", *measured, f"Kendall tau to {compared}"], rows


def shares_table(report: EvaluationReport) -> TextTable:
    """A table with a row for each share of the run's own order."""
    headline = _headline(report)
    rows = []
    for share in report.shares:
        cost, score = share.encoder, share.metrics.score(headline.name)
        time, operations = f"{1e3 * cost.seconds:.3g}", f"{cost.operations / 1e6:.3g}"
        rows.append([f"{share.keep:g}", str(cost.slots), f"{score:.3f}", time, operations])
    measured = [f"{report.split} {headline}", "encoder, ms per image", "million operations"]
    return ["share read", "slots", *measured], rows


def notes(report: EvaluationReport) -> list[str]:
    """What readers need to know to interpret the figures."""
    own = report.orders[0].metrics
    of_shares = [OPERATIONS, *([report.shares_note] if report.shares_note else [])] if report.shares else []
    return [*of_shares, *describe_worst_class(own, _headline(report)), *map(str, own.findings)]


def _headline(report: EvaluationReport) -> Headline:
    return Headline(report.headline, report.higher_is_better)
