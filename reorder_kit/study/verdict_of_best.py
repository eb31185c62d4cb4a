"""The first answer of a study: what a learned or chosen order gains or costs against the best fixed one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reorder_kit.study.results import Comparison
from reorder_kit.study.wording import Wording, is_gain, is_loss


def of_best_fixed(found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    """A sentence on every order of a model: gains first, then losses, then what is neither.

    Args:
        found: the comparisons of one model with one data set and length.
        words: of the study.
    """
    asked = sorted((each for each in found if each.question == "best-fixed"), key=_rank)
    for reference in dict.fromkeys(each.rows[1] for each in asked):
        own = [each for each in asked if each.rows[1] == reference]
        first, *others = own
        said = [_said(first, f"{_named(first, words)}", words), *(_said(each, "it", words) for each in others)]
        yield f"With {words.case(first)}, {'; '.join(said)}."


def _rank(comparison: Comparison) -> int:
    if is_gain(comparison):
        return 0
    if is_loss(comparison):
        return 1
    return 2 if comparison.verdict == "equivalent" else 3


def _named(comparison: Comparison, words: Wording) -> str:
    best, count = words.row(comparison.rows[1]), len(comparison.pool)
    if count == 1:
        return f"the only fixed order, {best}"
    return f"the best of {count} fixed orders ({best}, chosen on validation images)"


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
