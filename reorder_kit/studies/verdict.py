"""The verdict of a study, in a paragraph."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from reorder_kit.controls import LearnedStatic, NullReward
from reorder_kit.studies.questions import case_of
from reorder_kit.studies.results import Comparison, Row
from reorder_kit.studies.verdict_of_best import of_best_fixed, of_incomplete_pools
from reorder_kit.studies.verdict_of_lengths import of_lengths
from reorder_kit.studies.wording import Wording, is_gain, is_loss


def verdict(
    rows: Sequence[Row],
    comparisons: Sequence[Comparison],
    higher_is_better: bool = True,
    pool: Collection[str] | None = None,
) -> tuple[str, ...]:
    """The main answers: what beats the best fixed order, then sensitivity, learners, controls, and reach.

    Args:
        rows: the table.
        comparisons: the comparisons of the table.
        higher_is_better: whether higher scores are better.
        pool: names of the starts from which the best fixed order is chosen; if None, all rules.
    """
    words = Wording(rows, higher_is_better)
    by_case: dict[tuple[str, str, float], list[Comparison]] = {}
    for row in rows:
        by_case.setdefault(case_of(row), [])
    for comparison in comparisons:
        by_case[comparison.data, comparison.backbone, comparison.length].append(comparison)
    return (
        *(line for found in by_case.values() for line in of_best_fixed(found, words)),
        *of_incomplete_pools(rows, pool, words),
        *of_lengths([each for each in comparisons if each.question == "best-fixed"], words),
        *(line for found in by_case.values() if found for line in _of_case(found, words)),
        *of_lengths([each for each in comparisons if each.question == "learning-helps"], words),
        *_of_controls([each for each in comparisons if each.question == "control"], words),
    )


def _of_case(found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    about = {question: [each for each in found if each.question == question] for question in _QUESTIONS}
    yield from (_sensitivity(each, words) for each in about["order-matters"])
    read = next((read for each in found if (read := words.selection(each))), None)
    if read is not None:
        yield (
            f"With {words.case(found[0])}, {read}: an order also selects patches there, so its effect is not due to "
            "ordering alone."
        )
    yield from _of_learners(about["learning-helps"], found, words)


_QUESTIONS = ("order-matters", "learning-helps")


def _sensitivity(comparison: Comparison, words: Wording) -> str:
    case, count, margin = words.case(comparison), len(comparison.rows), words.margin(comparison)
    best, worst = words.row(comparison.rows[0]), words.row(comparison.rows[-1])
    if comparison.verdict == "different":
        last = worst if count == 2 else f"{worst}, the worst of {count} orders"
        unsure = f"; {said}" if (said := words.unsure(comparison)) else ""
        return f"The order matters to {case}: {best} is {words.gap(comparison)} {last}{unsure}."
    if comparison.verdict == "equivalent":
        return f"The order does not matter to {case}: its {count} orders are within ±{margin} of each other."
    few = f"; {said}" if (said := words.too_few(comparison)) else ""
    return (
        f"Whether the order matters to {case} is open with {words.seeds(comparison)}: its {count} orders are not "
        f"distinguishable, and a difference of {margin} is not ruled out{few}."
    )


def _of_learners(learned: Sequence[Comparison], found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    yield from (_gain(each, found, words) for each in learned if is_gain(each))
    if lost := [each for each in learned if is_loss(each)]:
        listed = ", ".join(_loss(each, words) for each in lost)
        yield f"With {words.case(lost[0])}, {listed} against {'its' if len(lost) == 1 else 'their'} fixed start."
    if without := [each for each in learned if each.verdict != "different"]:
        listed = ", ".join(f"{words.row(each.rows[0])} ({_without_gain(each, words)})" for each in without)
        yield f"With {words.case(without[0])}, no gain over the fixed start is shown for {listed}."


def _loss(learned: Comparison, words: Wording) -> str:
    unsure = f" ({said})" if (said := words.unsure(learned)) else ""
    return f"{words.row(learned.rows[0])} costs {words.amount(learned)}{unsure}"


def _gain(learned: Comparison, found: Sequence[Comparison], words: Wording) -> str:
    said = f"With {words.case(learned)}, {words.row(learned.rows[0])} gains {words.size(learned)}"
    if unsure := words.unsure(learned):
        said += f" ({unsure})"
    scratch = _against_start(learned, LearnedStatic.name, found, words)
    if scratch is not None:
        said += f", {_from_scratch(scratch, words)}"
    noise = _against_start(learned, NullReward.name, found, words)
    if noise is not None and is_gain(noise):
        said += f"; with noise as the reward it gains {words.size(noise)}, so the reward does not explain all of it"
    return f"{said}."


def _from_scratch(scratch: Comparison, words: Wording) -> str:
    gap = f"{words.gap(scratch)} the start"
    if is_gain(scratch):
        return f"and its order holds up from scratch: {gap}"
    if scratch.verdict == "not distinguishable":
        few = f" ({said})" if (said := words.too_few(scratch)) else ""
        return f"but whether its order holds up from scratch is open: {gap}, not distinguishable from it{few}"
    within = f"within ±{words.margin(scratch)} of the start"
    costs = f"it costs {words.amount(scratch)} against the start"
    return f"but its order does not hold up from scratch: {within if scratch.verdict == 'equivalent' else costs}"


def _against_start(learned: Comparison, control: str, found: Sequence[Comparison], words: Wording) -> Comparison | None:
    """The comparison of a control of the same learner with the start."""
    row = words.rows[learned.rows[0]]
    for each in (each for each in found if each.question != "best-fixed"):
        other = words.rows[each.rows[0]]
        if (other.learner, other.start, other.control) == (row.learner, row.start, control):
            return each
    return None


def _without_gain(comparison: Comparison, words: Wording) -> str:
    if comparison.verdict == "equivalent":
        return f"within ±{words.margin(comparison)} of it"
    few = f"; {said}" if (said := words.too_few(comparison)) else ""
    return f"not distinguishable from it with {words.seeds(comparison)}{few}"


def _of_controls(controls: Sequence[Comparison], words: Wording) -> Iterator[str]:
    unexpected = [each for each in controls if is_gain(each)]
    for each in unexpected:
        control, start = words.row(each.rows[0]), words.row(each.rows[1])
        yield f"Not as expected: with {words.case(each)}, {control} is {words.gap(each)} {start}, kept fixed."
    if expected := len(controls) - len(unexpected):
        which = "none of the other controls" if unexpected else "no control"
        clear = sum(each.verdict != "not distinguishable" for each in controls) - len(unexpected)
        rest = "" if clear == expected else "; the rest are open"
        yield (
            f"As expected, {which} is shown to be better than its fixed start: in {clear} of {expected} comparisons it "
            f"is worse or within ±{words.margin(controls[0])}{rest}."
        )
