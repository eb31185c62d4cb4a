"""Sentences about comparisons."""

from __future__ import annotations

from reorder_kit.studies.results import Comparison
from reorder_kit.studies.wording import Wording, of_p


def sentence(comparison: Comparison, words: Wording, could_tell: bool) -> str:
    """The verdict of a comparison, with figures.

    Args:
        comparison: the comparison; its own sentence is ignored.
        words: names and figures of the table.
        could_tell: whether there are enough seeds to show even the clearest difference.
    """
    said = _of_all(comparison, words) if comparison.question == "order-matters" else _of_pair(comparison, words)
    parts = [f"{words.case(comparison)}: {said}"]
    if unsure := words.unsure(comparison):
        parts.append(unsure)
    if comparison.verdict == "not distinguishable":
        parts.append(
            f"a difference of {words.margin(comparison)} is not ruled out"
            if could_tell
            else f"{words.seeds(comparison)} cannot show a difference"
        )
        if few := words.too_few(comparison):
            parts.append(few)
    if left_out := words.left_out(comparison.rows[0], comparison.left_out):
        parts.append(left_out)
    if read := words.selection(comparison):
        parts.append(f"{read}: an order also selects patches here")
    return "; ".join(parts)


def _of_all(comparison: Comparison, words: Wording) -> str:
    best, worst = comparison.rows[0], comparison.rows[-1]
    count, seeds = len(comparison.rows), words.seeds(comparison)
    last = words.row(worst) if count == 2 else f"{words.row(worst)}, the worst of {count} orders"
    if comparison.verdict == "different":
        return (
            f"{words.row(best)} {words.score(best, comparison)} is {words.gap(comparison)} {last} "
            f"({of_p(comparison.p_holm)}, {seeds})"
        )
    if comparison.verdict == "equivalent":
        orders = "both orders" if count == 2 else f"all {count} orders"
        return f"{orders} are within ±{words.margin(comparison)} of each other (equivalence shown, {seeds})"
    return (
        f"{count} orders are not distinguishable: {words.row(best)} {words.score(best, comparison)} is "
        f"{words.gap(comparison)} {last} ({of_p(comparison.p_holm)}, {seeds})"
    )


def _of_pair(comparison: Comparison, words: Wording) -> str:
    first, second = comparison.rows
    what = f"{words.row(first)} scores {words.score(first, comparison)}"
    is_best = comparison.question == "best-fixed"
    other = words.best_fixed(comparison) if is_best else f"{words.row(second)}, kept fixed"
    seeds = words.seeds(comparison)
    if comparison.verdict == "equivalent":
        return f"{what}, within ±{words.margin(comparison)} of {other} (equivalence shown, {seeds})"
    figures = f"({of_p(comparison.p_holm)}, {seeds})"
    if comparison.verdict == "not distinguishable":
        return f"{what}, not distinguishable from {other}: {words.gap(comparison)} it {figures}"
    if comparison.question != "control" and comparison.difference.mean < 0:
        return f"{what}, which costs {words.amount(comparison)} against {other} {figures}"
    unexpected = comparison.question == "control" and comparison.difference.mean > 0
    return f"{what}, {words.gap(comparison)} {other} {figures}{', which is not expected' if unexpected else ''}"
