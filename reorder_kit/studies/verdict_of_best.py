"""The first answer of a study: what learned or chosen orders gain or cost compared with the best fixed one."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reorder_kit.studies.fixed_pool import fixed_pool
from reorder_kit.studies.questions import questions_of
from reorder_kit.studies.results import Comparison, Row
from reorder_kit.studies.wording import Wording, counted, is_gain, is_loss


def of_best_fixed(found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    """A sentence about every order of a model: gains first, then losses, then the rest.

    Args:
        found: the comparisons of one model on one data set with one length.
        words: the wording of the study.
    """
    asked = sorted((each for each in found if each.question == "best-fixed"), key=_rank)
    for pool in dict.fromkeys((each.pool, each.left_out) for each in asked):
        own = [each for each in asked if (each.pool, each.left_out) == pool]
        first, *others = own
        said = [_said(first, f"{_named(first, words)}", words), *(_said(each, "it", words) for each in others)]
        yield f"With {words.case(first)}, {'; '.join(said)}."


def of_incomplete_pools(rows: Sequence[Row], pool: Collection[str] | None, words: Wording) -> Iterator[str]:
    """A sentence about every order that is not compared with the best fixed one because too little of the pool is
    finished.

    Args:
        rows: the table.
        pool: names of the starts from which the best fixed order is chosen; if None, all rules.
        words: the wording of the study.
    """
    for candidate, *fixed in (each.rows for each in questions_of(rows, pool) if each.question == "best-fixed"):
        found = fixed_pool(candidate, fixed, rows)
        if not found.is_enough:
            left_out = words.left_out(candidate, found.left_out)
            reasons = [] if left_out is None else [f"of {counted(len(fixed), 'fixed order')}, {left_out}"]
            if found.kept and not found.seeds:
                reasons.append(f"no seed of {words.row(candidate)} is finished with all others")
            why = "; ".join(reasons)
            yield (
                f"With {words.case(rows[candidate])}, whether {words.row(candidate)} is better than the best fixed "
                f"order is open because the pool is not complete yet: {why}."
            )


def _rank(comparison: Comparison) -> int:
    if is_gain(comparison):
        return 0
    if is_loss(comparison):
        return 1
    return 2 if comparison.verdict == "equivalent" else 3


def _named(comparison: Comparison, words: Wording) -> str:
    best, count = words.row(comparison.rows[1]), len(comparison.pool)
    said = words.left_out(comparison.rows[0], comparison.left_out)
    if count == 1:
        return f"the only fixed order, {best}" if said is None else f"the only finished fixed order, {best} ({said})"
    how = "chosen on validation images" if said is None else f"chosen on validation images; {said}"
    return f"the best of {count} fixed orders ({best}, {how})"


def _said(comparison: Comparison, reference: str, words: Wording) -> str:
    row = words.row(comparison.rows[0])
    unsure = f" ({said})" if (said := words.unsure(comparison)) else ""
    if is_gain(comparison):
        return f"{row} gains {words.amount(comparison)} over {reference}{unsure}"
    if is_loss(comparison):
        return f"{row} costs {words.amount(comparison)} against {reference}{unsure}"
    if comparison.verdict == "equivalent":
        return f"{row} is within ±{words.margin(comparison)} of {reference}"
    why = words.too_few(comparison) or f"a difference of {words.margin(comparison)} is not ruled out"
    gap = f"{words.gap(comparison)} it with {words.seeds(comparison)}"
    return f"whether {row} is better than {reference} is open: {gap}, and {why}"
