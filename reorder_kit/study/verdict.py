"""What a study found, in a paragraph."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reorder_kit.controls import LearnedStatic, NullReward
from reorder_kit.study.results import Comparison, Row
from reorder_kit.study.wording import Wording


def verdict(rows: Sequence[Row], comparisons: Sequence[Comparison], higher_is_better: bool = True) -> tuple[str, ...]:
    """The answers that matter, a sentence each: sensitivity, learners, and controls of every model, and reach.

    Args:
        rows: the table.
        comparisons: of the table.
        higher_is_better: whether a higher score is a better one.
    """
    words = Wording(rows, higher_is_better)
    by_case: dict[tuple[str, str], list[Comparison]] = {}
    for comparison in comparisons:
        by_case.setdefault((comparison.data, comparison.backbone), []).append(comparison)
    said = [line for found in by_case.values() for line in _of_case(found, words)]
    return (*said, *_of_controls([each for each in comparisons if each.question == "control"], words))


def _of_case(found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    about = {question: [each for each in found if each.question == question] for question in _QUESTIONS}
    yield from (_sensitivity(each, words) for each in about["order-matters"])
    read = next((read for each in found if (read := words.selection(each))), None)
    if read is not None:
        yield (
            f"With {words.case(found[0])}, {read}: an order selects patches there, and what orders do to it is no "
            "finding about ordering alone."
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
    return (
        f"Whether the order matters to {case} is open with {words.seeds(comparison)}: its {count} orders are not "
        f"distinguishable, and a difference of {margin} is not ruled out."
    )


def _of_learners(learned: Sequence[Comparison], found: Sequence[Comparison], words: Wording) -> Iterator[str]:
    without = [each for each in learned if not _is_gain(each)]
    yield from (_gain(each, found, words) for each in learned if _is_gain(each))
    if without:
        listed = ", ".join(f"{words.row(each.rows[0])} ({_without_gain(each, words)})" for each in without)
        yield f"With {words.case(without[0])}, no gain over the start, kept, is shown for {listed}."


def _gain(learned: Comparison, found: Sequence[Comparison], words: Wording) -> str:
    said = f"With {words.case(learned)}, {words.row(learned.rows[0])} gains {words.size(learned)}"
    if unsure := words.unsure(learned):
        said += f" ({unsure})"
    scratch = _beside(learned, LearnedStatic.name, found, words)
    if scratch is not None:
        said += f", {_from_scratch(scratch, words)}"
    noise = _beside(learned, NullReward.name, found, words)
    if noise is not None and _is_gain(noise):
        said += f"; with noise for a reward it gains {words.size(noise)}, so not all is the reward's"
    return f"{said}."


def _from_scratch(scratch: Comparison, words: Wording) -> str:
    gap = f"{words.gap(scratch)} the start"
    if _is_gain(scratch):
        return f"and its order holds up from scratch: {gap}"
    if scratch.verdict == "not distinguishable":
        return f"but whether its order holds up from scratch is open: {gap}, not distinguishable from it"
    within = f"within ±{words.margin(scratch)} of the start"
    return f"but its order does not hold up from scratch: {within if scratch.verdict == 'equivalent' else gap}"


def _beside(learned: Comparison, control: str, found: Sequence[Comparison], words: Wording) -> Comparison | None:
    """The comparison of a control of the same learner and start."""
    row = words.rows[learned.rows[0]]
    for each in found:
        other = words.rows[each.rows[0]]
        if (other.learner, other.start, other.control) == (row.learner, row.start, control):
            return each
    return None


def _without_gain(comparison: Comparison, words: Wording) -> str:
    match comparison.verdict:
        case "different":
            return f"{words.gap(comparison)} it"
        case "equivalent":
            return f"within ±{words.margin(comparison)} of it"
        case "not distinguishable":
            return f"not distinguishable from it with {words.seeds(comparison)}"


def _of_controls(controls: Sequence[Comparison], words: Wording) -> Iterator[str]:
    unexpected = [each for each in controls if _is_gain(each)]
    for each in unexpected:
        control, start = words.row(each.rows[0]), words.row(each.rows[1])
        yield f"Not as expected: with {words.case(each)}, {control} is {words.gap(each)} {start}, kept."
    if expected := len(controls) - len(unexpected):
        which = "none of the other controls" if unexpected else "no control"
        clear = sum(each.verdict != "not distinguishable" for each in controls) - len(unexpected)
        rest = "" if clear == expected else ", the rest leaves it open"
        yield (
            f"As expected, {which} is shown to be better than its start, kept: in {clear} of {expected} comparisons it "
            f"is worse or within ±{words.margin(controls[0])}{rest}."
        )


def _is_gain(comparison: Comparison) -> bool:
    return comparison.verdict == "different" and comparison.difference.mean > 0
