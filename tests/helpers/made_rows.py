"""Handmade rows of a study: eight seeds around a mean, and scores of the same seeds on validation images."""

from __future__ import annotations

from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.results import Row
from reorder_kit.studies.verdict import verdict

WIGGLE = (0.002, -0.002, 0.001, -0.001, 0.003, -0.003, 0.0, 0.0)
SEEDS = len(WIGGLE)


def made_row(mean, start, learner=None, control=None, *, validation=None, spread=1.0, seeds=SEEDS, **others):
    """Rows with the same spread vary together; the validation score defaults to the test score."""
    values = tuple(mean + spread * step for step in WIGGLE[:seeds])
    told = tuple((mean if validation is None else validation) + step for step in WIGGLE[:seeds])
    fields = {"seeds": tuple(range(seeds)), "runs": (), "reached_slots": 16, "num_slots": 16, "is_selection": False}
    return Row(
        data="digits",
        backbone="local",
        start=start,
        learner=learner,
        control=control,
        **{"score": mean_over_seeds(values), "seconds": 1.0, "validation": told, **fields, **others},
    )


def answered(*rows, margin=0.01, **options):
    """Comparisons and verdict of a table."""
    comparisons = compare(rows, [None] * len(rows), margin, 0.05, 0, **options)
    return comparisons, verdict(rows, comparisons, options.get("higher_is_better", True), options.get("pool"))
