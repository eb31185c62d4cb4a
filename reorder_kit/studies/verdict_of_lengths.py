"""Which gains survive longer training: orders that end better, and orders that only learn sooner."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.results import Comparison
from reorder_kit.studies.wording import Wording, is_gain, is_loss


def of_lengths(comparisons: Sequence[Comparison], words: Wording) -> Iterator[str]:
    """A sentence about every gain that is shown at the shortest or the longest training.

    A gain is called gone only if the difference is shown to be within the margin, or to be a loss.

    Args:
        comparisons: the comparisons of one question.
        words: the wording of the study.
    """
    by_row: dict[tuple[str | None, ...], list[Comparison]] = {}
    for each in comparisons:
        row = words.rows[each.rows[0]]
        by_row.setdefault((row.data, row.backbone, row.start, row.learner, row.control), []).append(each)
    for found in by_row.values():
        short, long = min(found, key=lambda each: each.length), max(found, key=lambda each: each.length)
        if short.length < long.length and (is_gain(short) or is_gain(long)):
            yield f"With {words.model(short)}, {_said(short, long, words)}."


def _said(short: Comparison, long: Comparison, words: Wording) -> str:
    row = words.row(short.rows[0])
    over = "the best fixed order" if short.question == "best-fixed" else "its fixed start"
    early, late = words_of(short.length), words_of(long.length)
    if is_gain(short) and is_gain(long):
        gains = f"{words.amount(short)} at {early} and {words.amount(long)} at {late}"
        return f"{row} ends better: over {over} it gains {gains}"
    if is_gain(long):
        return f"{row} is shown to gain over {over} at {late} only: {words.amount(long)}"
    gain = f"{words.amount(short)} over {over} at {early}"
    if is_loss(long):
        return f"{row} learns sooner: it gains {gain}, and at {late} it costs {words.amount(long)}"
    if long.verdict == "equivalent":
        return f"{row} learns sooner: it gains {gain}, and at {late} it is within ±{words.margin(long)}"
    why = words.too_few(long) or f"a difference of {words.margin(long)} is not ruled out"
    return (
        f"whether {row} ends better or only learns sooner is open: it gains {gain}, and at {late} the two are not "
        f"distinguishable; {why}"
    )
