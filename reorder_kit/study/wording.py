"""How rows and figures of a study are called in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.controls import BUILT_IN
from reorder_kit.study.results import Comparison, Row


@dataclass(frozen=True)
class Wording:
    """Names and figures, as the table needs them.

    Args:
        rows: the table.
    """

    rows: Sequence[Row]

    def case(self, comparison: Comparison) -> str:
        """The backbone, with its data where the study has several."""
        several = len({row.data for row in self.rows}) > 1
        return f"{comparison.backbone} on {comparison.data}" if several else comparison.backbone

    def row(self, place: int) -> str:
        """What was trained in a row, without its backbone."""
        row = self.rows[place]
        if row.control is not None:
            return BUILT_IN[row.control].described(row.learner, row.start, self._is_consensus(row))
        return row.start if row.learner is None else f"{row.learner} from {row.start}"

    def _is_consensus(self, row: Row) -> bool:
        """Whether the learner of a row, without a control, gives each image its own order."""
        of_learner = (row.data, row.backbone, row.start, row.learner, None)
        return any(
            each.spread is not None
            for each in self.rows
            if (each.data, each.backbone, each.start, each.learner, each.control) == of_learner
        )

    def seeds(self, comparison: Comparison) -> str:
        """How many seeds it rests on."""
        return counted(len(comparison.difference.values), "seed")

    def size(self, difference: float) -> str:
        """How large a difference is, without its sign: in points where all scores are shares."""
        if self._are_shares:
            return f"{100 * abs(difference):.1f} points"
        return f"{abs(difference):.3f}"

    def gap(self, comparison: Comparison) -> str:
        """By how much the first row is above or below the last one, with the interval."""
        difference = comparison.difference
        side = "below" if difference.mean < 0 else "above"
        if difference.low is None or difference.high is None:
            return f"{self.size(difference.mean)} {side}"
        scale, digits = (100, 1) if self._are_shares else (1, 3)
        ends = sorted(scale * (-end if difference.mean < 0 else end) for end in (difference.low, difference.high))
        low, high = (f"{end:.{digits}f}" for end in ends)
        return f"{self.size(difference.mean)} ({low} to {high}) {side}"

    def unsure(self, comparison: Comparison) -> str | None:
        """What to add to a difference whose interval holds 0: the test is about these images, the interval is not."""
        low, high = comparison.difference.low, comparison.difference.high
        if comparison.verdict != "different" or low is None or high is None or not low <= 0 <= high:
            return None
        return "with other seeds or test images there may be no difference"

    def selection(self, comparison: Comparison) -> str | None:
        """How many slots are read, if not all patches are: then an order selects patches."""
        selecting = [self.rows[place] for place in comparison.rows if self.rows[place].is_selection]
        return selecting[0].slots.words if selecting else None

    @property
    def _are_shares(self) -> bool:
        return all(0 <= value <= 1 for row in self.rows for value in row.score.values)


def of_p(p: float) -> str:
    """A p after correction.

    >>> of_p(0.04712), of_p(0.00002)
    ('p = 0.047 after Holm', 'p < 0.001 after Holm')
    """
    return "p < 0.001 after Holm" if p < 0.001 else f"p = {p:.3f} after Holm"


def counted(count: int, name: str) -> str:
    """A number of things.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
