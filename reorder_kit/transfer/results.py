"""The results of a transfer: the matrix of orders and the targets that read them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self, get_args

from pydantic import ConfigDict

from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.record import VersionedRecord
from reorder_kit.runs.result import RunResult
from reorder_kit.statistics.estimate import Estimate, mean_over_seeds
from reorder_kit.statistics.headline import Headline, signed

START = "start"
"""The row of the order that a target starts from, among the recipes whose learned orders it reads."""

How = Literal["evaluated", "tuned", "scratch"]
HEADINGS: Mapping[How, str] = {
    "evaluated": "evaluated without training",
    "tuned": "fine-tuned",
    "scratch": "from scratch",
}
Cell = tuple[How, str, str, int]
"""The treatment, the name of the target, the name of the row, and the seed."""
Scores = dict[Cell, float]
CellVerdict = Literal["reference", "one seed", "better", "worse", "not distinguishable"]


@dataclass(frozen=True)
class Target:
    """A recipe that reads orders of others.

    Args:
        name: name of the recipe.
        headline: the metric of its scores.
        higher_is_better: whether higher scores are better.
        reached_slots: slots that reach the readout; None if patches are ordered again before a later block.
        num_slots: all slots in use.
        is_selection: whether some patches are not read, so that an order selects patches.
        left_out: patches without a slot.
        spread: for a recipe that gives each image its own order, the mean Kendall distance of these to their consensus,
            which is the order that others read; None if all images have the same order.
    """

    name: str
    headline: str
    higher_is_better: bool
    reached_slots: int | None
    num_slots: int
    is_selection: bool
    left_out: int = 0
    spread: float | None = None

    __pydantic_config__ = ConfigDict(extra="forbid")

    @classmethod
    def of(cls, name: str, result: RunResult) -> Self:
        """Describe a recipe by the run in which it learned its order."""
        slots = result.order.reach.slots_read
        return cls(
            name,
            result.headline,
            result.higher_is_better,
            slots.reached,
            slots.of,
            slots.is_selection,
            slots.left_out,
            result.order.spread,
        )

    @property
    def slots(self) -> SlotsRead:
        """The numbers of slots and patches that are read."""
        return SlotsRead(self.reached_slots, self.num_slots, self.left_out)

    @property
    def order_words(self) -> str:
        """The order that others read, in words."""
        if self.spread is not None:
            return f"the consensus of {self.name}"
        return f"the order of {self.name}" if self.reached_slots is not None else f"the composed order of {self.name}"

    @property
    def metric(self) -> Headline:
        """The headline metric with its direction."""
        return Headline(self.headline, self.higher_is_better)


@dataclass(frozen=True)
class TransferCell:
    """The scores of a target in one order, over seeds.

    Args:
        how: ``evaluated``: the weights with which it learned its own order, evaluated in this order without training;
            ``tuned``: the same weights, fine-tuned in this order; ``scratch``: new weights, trained in this order.
        target: name of the target.
        row: the recipe whose learned order is read; the target's own name for its own order, ``start`` for its start.
        score: the headline metric on test images.
        gain: how much better the score is than in row ``start`` with the same target, treatment and seed; None for that
            row itself.
        verdict: what the interval of the gain shows.
    """

    how: How
    target: str
    row: str
    score: Estimate
    gain: Estimate | None
    verdict: CellVerdict

    __pydantic_config__ = ConfigDict(extra="forbid")


class TransferResult(VersionedRecord):
    """The content of ``transfer.json``: the matrix.

    Args:
        seeds: the seeds of every cell.
        targets: the recipes, each a target and a source.
        cells: every treatment, target and row.
        verdict: the conclusions in sentences.
    """

    version = 1

    seeds: tuple[int, ...]
    targets: tuple[Target, ...]
    cells: tuple[TransferCell, ...]
    verdict: tuple[str, ...]

    @property
    def rows(self) -> list[str]:
        """The names of the orders."""
        return [START, *(target.name for target in self.targets)]

    def cell(self, how: How, target: str, row: str) -> TransferCell:
        """One cell of the matrix."""
        return next(cell for cell in self.cells if (cell.how, cell.target, cell.row) == (how, target, row))

    def has_points(self, target: Target) -> bool:
        """Whether the gains of a target are in points because all of its scores are shares."""
        own = (cell.score.values for cell in self.cells if cell.target == target.name)
        return target.metric.are_shares(score for scores in own for score in scores)

    def sentences(self) -> list[str]:
        """The conclusions from the matrix."""
        said = [sentence for target in self.targets for sentence in self._of(target)]
        if len(self.seeds) == 1:
            return [*said, "A single seed has no interval: differences here could be noise."]
        return [
            *said,
            f"95% intervals over {len(self.seeds)} paired seeds; about one in twenty misses. They are not corrected.",
        ]

    def _of(self, target: Target) -> Iterator[str]:
        if target.is_selection:
            yield f"{target.name}: {target.slots.words}, so an order also selects patches."
        if target.spread is not None:
            spread = words_of_spread(target.spread)
            yield f"{target.name} has no single order: {spread}. Its row is the consensus, in which it was not trained."
        elif target.reached_slots is None:
            composed = "its row is the composed order, before block 0 only"
            yield f"{target.name} also orders before a later block: {composed}."
        for source in self.targets:
            cell = self.cell("scratch", target.name, source.name)
            is_own = source is target and source.order_words == f"the order of {source.name}"
            whose = "its own learned order" if is_own else source.order_words
            if cell.gain is not None:
                gain = _told(cell.gain, self.has_points(target))
                yield f"{target.name}, from scratch in {whose}: {gain} over its start; {cell.verdict}."

    def table(self, how: How) -> tuple[list[str], list[list[str]]]:
        """The heading and the rows of a matrix: score and gain, with a column for each target."""
        heading = ["order of", *(f"{target.name}, {target.metric}" for target in self.targets)]
        return heading, [
            [row, *(_text(self.cell(how, target.name, row), self.has_points(target)) for target in self.targets)]
            for row in self.rows
        ]

    def markdown(self) -> str:
        """The three matrices and the verdict, as Markdown."""
        parts = []
        for how in get_args(How):
            heading, lines = self.table(how)
            parts += [f"**{HEADINGS[how]}**", ""]
            parts += [f"| {' | '.join(line)} |" for line in (heading, ["---"] * len(heading), *lines)]
            parts.append("")
        return "\n".join([*parts, *(f"* {sentence}" for sentence in self.verdict), ""])


def collect(scores: Mapping[Cell, float], seeds: Sequence[int], targets: Sequence[Target]) -> TransferResult:
    """Combine the scores of all seeds.

    Args:
        scores: the scores of every cell.
        seeds: all seeds.
        targets: the recipes.
    """

    def over_seeds(how: How, target: Target, row: str) -> list[float]:
        return [scores[how, target.name, row, seed] for seed in seeds]

    def cell(how: How, target: Target, row: str) -> TransferCell:
        own = over_seeds(how, target, row)
        if row == START:
            return TransferCell(how, target.name, row, mean_over_seeds(own), None, "reference")
        pairs = zip(own, over_seeds(how, target, START), strict=True)
        gain = mean_over_seeds([target.metric.gain(score, start) for score, start in pairs])
        return TransferCell(how, target.name, row, mean_over_seeds(own), gain, _judged(gain))

    rows = [START, *(target.name for target in targets)]
    cells = tuple(cell(how, target, row) for how in get_args(How) for target in targets for row in rows)
    matrix = TransferResult(seeds=tuple(seeds), targets=tuple(targets), cells=cells, verdict=())
    return matrix.model_copy(update={"verdict": tuple(matrix.sentences())})


def _judged(gain: Estimate) -> CellVerdict:
    if gain.low is None or gain.high is None:
        return "one seed"
    if gain.low > 0:
        return "better"
    return "worse" if gain.high < 0 else "not distinguishable"


def _told(gain: Estimate, has_points: bool) -> str:
    """A gain with its interval."""
    mean = signed(gain.mean, has_points)
    if gain.low is None or gain.high is None:
        return mean
    low, high = (signed(end, has_points).removesuffix(" points") for end in (gain.low, gain.high))
    return f"{mean} ({low} to {high})"


def _text(cell: TransferCell, has_points: bool) -> str:
    gain = "" if cell.gain is None else f"; {_told(cell.gain, has_points)}"
    return f"{cell.score.mean:.3f}{gain}"
