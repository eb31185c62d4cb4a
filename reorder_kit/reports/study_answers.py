"""The answers of a study, question by question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from reorder_kit.reports.chart import Chart
from reorder_kit.reports.decimals import within
from reorder_kit.reports.interval_chart import Dot, interval_chart
from reorder_kit.reports.looks import NO_RUN, Looks
from reorder_kit.reports.page import Answer, Answers, Block, Section
from reorder_kit.reports.study_references import references_table
from reorder_kit.reports.study_rows import label_of, length_cell, length_column
from reorder_kit.reports.table import Cell, Column, Table, Tone, number, p_value
from reorder_kit.statistics.deciding_test import OTHER, DecidingTest
from reorder_kit.studies.results import Comparison, Question, StudyResult, Verdict
from reorder_kit.studies.wording import Wording

_HEADINGS: dict[Question, str] = {
    "best-fixed": "Does it beat the best fixed order?",
    "order-matters": "Does the order matter?",
    "learning-helps": "Did learning help?",
    "order-holds-up": "Does the learned order hold up from scratch?",
    "control": "Do the controls behave?",
}
_LEADS: dict[Question, str] = {
    "best-fixed": "Learned or chosen orders, minus the fixed order that is best on validation images.",
    "order-matters": "Fixed orders compared with each other: the best minus the worst if there are more than two.",
    "learning-helps": "The learner minus the same training in its fixed start.",
    "order-holds-up": "The learned order from the first step, minus the fixed start: is the gain due to the order?",
    "control": "Controls that cannot know a good order, minus the fixed start. A gain would be a warning.",
}
_TONES: dict[Verdict, Tone] = {"different": "good", "equivalent": "neutral", "not distinguishable": "open"}


_TESTS: dict[DecidingTest, str] = {"permutation": "Paired permutation tests", "paired-t": "Paired t-tests"}
_NAMES: dict[DecidingTest, str] = {"permutation": "permutation", "paired-t": "paired t"}


def answer_sections(results: StudyResult, looks: Looks) -> list[Section]:
    """A section for each question; rows have the looks of their labels."""
    sections = []
    for question, heading in _HEADINGS.items():
        own = [comparison for comparison in results.comparisons if comparison.question == question]
        blocks: list[Block] = (
            [_chart(results, question, own, looks), Answers([_answer(each) for each in own])] if own else []
        )
        if question == "best-fixed" and own:
            blocks.append(references_table(results, own))
        sections.append(Section(question, heading, _LEADS[question], blocks))
    return sections


def _chart(results: StudyResult, question: Question, comparisons: Sequence[Comparison], looks: Looks) -> Chart:
    dots = [_dot(results, comparison, looks) for comparison in comparisons]
    margins = {comparison.margin for comparison in comparisons}
    turned = "" if results.higher_is_better else " Lower is better, so signs are reversed: above 0 is a gain."
    band = f" Shaded: differences within ±{max(margins):g} count as none." if len(margins) == 1 else ""
    return interval_chart(
        f"differences-{question}",
        f"Difference in test {results.headline}",
        dots,
        axis=results.metric.difference,
        alt=f"Differences in test {results.headline}: " + "; ".join(dot.tip for dot in dots),
        margin=max(margins) if len(margins) == 1 else None,
        zero=True,
        note=f"Filled: different. 95% intervals over paired seeds.{turned}{band}{_selection(results, comparisons)}",
    )


def _selection(results: StudyResult, comparisons: Sequence[Comparison]) -> str:
    names = dict.fromkeys(comparison.backbone for comparison in comparisons if _selects(results, comparison))
    return f" Selection rather than ordering: {', '.join(names)}." if names else ""


def _selects(results: StudyResult, comparison: Comparison) -> bool:
    return any(results.rows[place].is_selection for place in comparison.rows)


def _dot(results: StudyResult, comparison: Comparison, looks: Looks) -> Dot:
    mean, low, high = comparison.difference.ends
    first = results.rows[comparison.rows[0]]
    what = label_of(first)
    if comparison.question == "order-matters":
        what = _compared(results, comparison)
    elif comparison.question == "order-holds-up":
        what = label_of(replace(first, control=None))  # the section says that training is from scratch
    label = f"{Wording(results.rows, results.higher_is_better).case(comparison)}: {what}"
    is_different = comparison.verdict == "different"
    tip = f"{label}: {within(mean, low, high, sign=True)}, {comparison.verdict}"
    look = looks[label_of(first)] if _is_of_one_row(comparison) else NO_RUN
    return Dot(label, mean, low, high, look, tip, is_different)


def _is_of_one_row(comparison: Comparison) -> bool:
    """Whether the comparison is between two rows, so that it has the color of the first."""
    return len(comparison.rows) == 2 or len(comparison.pool) > 1


def _compared(results: StudyResult, comparison: Comparison) -> str:
    first, *others = (label_of(results.rows[place]) for place in comparison.rows)
    if len(comparison.pool) > 1:
        return f"{first} against {others[0]}, the best of {len(comparison.pool)}"
    if len(others) == 1:
        return f"{first} against {others[0]}"
    return f"best against worst of {len(comparison.rows)} orders"


def _answer(comparison: Comparison) -> Answer:
    return Answer(*_judged(comparison), comparison.sentence)


def _judged(comparison: Comparison) -> tuple[str, Tone]:
    """The verdict in a word and its tone: a control is expected to be worse than its start."""
    if comparison.verdict != "different" or comparison.question == "order-matters":
        return comparison.verdict, _TONES[comparison.verdict]
    is_control = comparison.question == "control"
    if comparison.difference.mean > 0:
        return "better", "warning" if is_control else "good"
    return "worse", "neutral" if is_control else "warning"


def tests_table(results: StudyResult) -> list[Table]:
    """The figures behind all answers; empty if there are none."""
    if not results.comparisons:
        return []
    has_other = any(comparison.other_p is not None for comparison in results.comparisons)
    columns = [
        Column("question", "question"),
        Column("data", "data"),
        Column("backbone", "backbone"),
        *length_column(results),
        Column("compared", "compared"),
        Column("verdict", "verdict"),
        Column(results.metric.difference, "difference", is_number=True),
        Column("95% low", "low", is_number=True),
        Column("95% high", "high", is_number=True),
        Column("effect size", "effect_size", is_number=True),
        Column("p", "p", is_number=True),
        Column("p, Holm", "p_holm", is_number=True),
        *([Column(f"p, {_NAMES[OTHER[results.test]]}", "other_p", is_number=True)] if has_other else []),
        Column("margin", "margin", is_number=True),
    ]
    rows = [
        [
            Cell(comparison.question),
            Cell(comparison.data),
            Cell(comparison.backbone),
            *length_cell(results, comparison.length),
            Cell(_compared(results, comparison)),
            Cell(comparison.verdict, tone=_judged(comparison)[1]),
            number(comparison.difference.mean, sign=True),
            number(comparison.difference.low, sign=True),
            number(comparison.difference.high, sign=True),
            number(comparison.effect_size, 2),
            p_value(comparison.p),
            p_value(comparison.p_holm),
            *([Cell("") if comparison.other_p is None else p_value(comparison.other_p)] if has_other else []),
            number(comparison.margin),
        ]
        for comparison in results.comparisons
    ]
    caption = f"{_TESTS[results.test]} over seeds decide; the effect size is Cohen's d of the paired differences"
    return [Table("comparisons", caption, columns, rows)]
