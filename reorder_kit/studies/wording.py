"""The wording of rows and figures in the sentences of a study."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.controls import BUILT_IN
from reorder_kit.statistics.headline import Headline
from reorder_kit.statistics.power import MOST_SEEDS
from reorder_kit.studies.fixed_pool import has_validation, shared
from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.results import Comparison, Row


@dataclass(frozen=True)
class Wording:
    """Names and figures in the words that a table needs.

    Args:
        rows: the table.
        higher_is_better: whether higher scores are better.
    """

    rows: Sequence[Row]
    higher_is_better: bool = True

    def case(self, comparison: Comparison | Row) -> str:
        """The model, with its training length if the study has several."""
        has_lengths = len({row.length for row in self.rows}) > 1
        return f"{self.model(comparison)} ({words_of(comparison.length)})" if has_lengths else self.model(comparison)

    def model(self, comparison: Comparison | Row) -> str:
        """The backbone, with its data if the study has several data sets."""
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
        of_learner = (row.data, row.backbone, row.length, row.start, row.learner, None)
        return any(
            each.spread is not None
            for each in self.rows
            if (each.data, each.backbone, each.length, each.start, each.learner, each.control) == of_learner
        )

    def seeds(self, comparison: Comparison) -> str:
        """The number of seeds behind a comparison."""
        return counted(len(comparison.difference.values), "seed")

    def score(self, place: int, comparison: Comparison) -> str:
        """The score of a row with its interval."""
        return self.rows[place].score.written(_digits(comparison))

    def size(self, comparison: Comparison) -> str:
        """The size of the difference without its sign, in points if all scores are shares."""
        difference = abs(comparison.difference.mean)
        return f"{100 * difference:.1f} points" if self._are_shares else f"{difference:.{_digits(comparison)}f}"

    def gap(self, comparison: Comparison) -> str:
        """How far the first row is above or below the last one, with the interval.

        If lower is better, the words are "better" and "worse", because "below" would sound like a loss.
        """
        good, bad = ("above", "below") if self.higher_is_better else ("better than", "worse than")
        return f"{self.amount(comparison)} {bad if comparison.difference.mean < 0 else good}"

    def amount(self, comparison: Comparison) -> str:
        """The size of the difference with its interval, both without the sign of the difference."""
        difference = comparison.difference
        if difference.low is None or difference.high is None:
            return self.size(comparison)
        scale, digits = (100, 1) if self._are_shares else (1, _digits(comparison))
        ends = sorted(scale * (-end if difference.mean < 0 else end) for end in (difference.low, difference.high))
        low, high = (f"{end:.{digits}f}" for end in ends)
        return f"{self.size(comparison)} ({low} to {high})"

    def best_fixed(self, comparison: Comparison) -> str:
        """The best fixed order, with the size of its pool."""
        best, count = self.row(comparison.rows[1]), len(comparison.pool)
        if count > 1:
            return f"{best}, the best of {count} fixed orders"
        return f"{best}, the only {'finished ' if comparison.left_out else ''}fixed order"

    def left_out(self, candidate: int, places: Sequence[int]) -> str | None:
        """The fixed orders that are not compared with a row, and why; None if all are."""
        if not places:
            return None
        own = set(self.rows[candidate].seeds)
        unknown = [place for place in places if not has_validation(self.rows[place])]
        counts = [shared(self.rows[place], own) for place in places if place not in unknown]
        reasons = []
        if counts:
            low, high = min(counts), max(counts)
            reasons.append(f"{low if low == high else f'{low} to {high}'} of {counted(len(own), 'seed')} finished")
        if unknown:
            whose = f" of {self._some(unknown)}" if counts else ""
            reasons.append(f"validation scores{whose} are missing")
        verb = "is" if len(places) == 1 else "are"
        return f"{self._some(places)} {verb} left out: {' and '.join(reasons)}"

    def _some(self, places: Sequence[int]) -> str:
        """The first three rows and the number of further ones."""
        more = f" and {len(places) - 3} more" if len(places) > 3 else ""
        return ", ".join(self.row(place) for place in places[:3]) + more

    def too_few(self, comparison: Comparison) -> str | None:
        """How many seeds could detect a difference the size of the margin; None if there are enough."""
        needed = comparison.seeds_needed
        if needed is None:
            return None
        count = f"{MOST_SEEDS:,} or more" if needed >= MOST_SEEDS else f"about {needed}"
        verb = "is" if len(comparison.difference.values) == 1 else "are"
        return f"{self.seeds(comparison)} {verb} too few: {count} would do"

    def margin(self, comparison: Comparison) -> str:
        """The smallest difference that matters."""
        return f"{comparison.margin:.{_digits(comparison)}f}"

    def unsure(self, comparison: Comparison) -> str | None:
        """A caution for a difference whose interval contains 0: the test covers these images only, the interval others
        too.
        """
        low, high = comparison.difference.low, comparison.difference.high
        if comparison.verdict != "different" or low is None or high is None or not low <= 0 <= high:
            return None
        return "with other seeds or test images there may be no difference"

    def selection(self, comparison: Comparison) -> str | None:
        """How many slots are read, if not all patches are and an order therefore selects patches."""
        selecting = [self.rows[place] for place in comparison.rows if self.rows[place].is_selection]
        return selecting[0].slots.words if selecting else None

    @property
    def _are_shares(self) -> bool:
        headline = Headline("", self.higher_is_better)
        return headline.are_shares(value for row in self.rows for value in row.score.values)


def _digits(comparison: Comparison) -> int:
    """Decimal places: three, or enough to show two digits of the margin."""
    return max(3, 1 - math.floor(math.log10(comparison.margin)))


def is_gain(comparison: Comparison) -> bool:
    """Whether the first row is shown to be better."""
    return comparison.verdict == "different" and comparison.difference.mean > 0


def is_loss(comparison: Comparison) -> bool:
    """Whether the first row is shown to be worse."""
    return comparison.verdict == "different" and comparison.difference.mean < 0


def of_p(p: float) -> str:
    """A p-value after correction, in words.

    >>> of_p(0.04712), of_p(0.00002)
    ('p = 0.047 after Holm', 'p < 0.001 after Holm')
    """
    return "p < 0.001 after Holm" if p < 0.001 else f"p = {p:.3f} after Holm"


def counted(count: int, name: str) -> str:
    """A number with its noun.

    >>> counted(1, "seed"), counted(3, "seed")
    ('1 seed', '3 seeds')
    """
    return f"{count} {name}" if count == 1 else f"{count} {name}s"
