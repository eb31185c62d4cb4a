"""The best fixed orders of a study, compared with those that are best on test images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reorder_kit.reports.study_rows import label_of, length_cell, length_column
from reorder_kit.reports.table import Cell, Column, Table, number
from reorder_kit.studies.results import Comparison, Row, StudyResult


def references_table(results: StudyResult, comparisons: Sequence[Comparison]) -> Table:
    """The fixed orders that learned and chosen ones are compared with, and an upper bound that could not have been
    chosen.

    Args:
        results: the study.
        comparisons: its answers to ``best-fixed``.
    """
    metric = results.metric
    columns = [
        Column("backbone", "backbone"),
        Column("data", "data"),
        *length_column(results),
        Column("fixed orders", "fixed_orders", is_number=True),
        Column("best on validation", "best_on_validation"),
        Column(f"its validation {metric}", "validation", is_number=True),
        Column(f"its test {metric}", "test", is_number=True),
        Column("best on test", "best_on_test"),
        Column(f"its test {metric}", "upper_test", is_number=True),
    ]
    rows = []
    for pool in dict.fromkeys(each.pool for each in comparisons):
        chosen, upper = results.rows[pool[0]], _best_on_test(results, pool)
        rows.append(
            [
                Cell(chosen.backbone),
                Cell(chosen.data),
                *length_cell(results, chosen.length),
                number(len(pool), 0),
                Cell(label_of(chosen)),
                number(float(np.mean(chosen.validation)) if chosen.validation else None),
                number(chosen.score.mean),
                Cell(label_of(upper)),
                number(upper.score.mean),
            ]
        )
    caption = (
        "The best fixed order is chosen on validation images. The best on test images is an upper reference: it is "
        "chosen on the images that score it, so it looks better than it is. No verdict uses it."
    )
    return Table("best-fixed-orders", caption, columns, rows)


def _best_on_test(results: StudyResult, pool: Sequence[int]) -> Row:
    sign = 1 if results.higher_is_better else -1
    return max((results.rows[place] for place in sorted(pool)), key=lambda row: sign * row.score.mean)
