"""The results of a study: the content of its ``study.json``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import ConfigDict

from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.record import VersionedRecord
from reorder_kit.statistics.deciding_test import DecidingTest
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.statistics.headline import Headline

Question = Literal["best-fixed", "order-matters", "learning-helps", "order-holds-up", "control"]
Origin = Literal["rule", "random", "file", "chosen"]
Verdict = Literal["different", "equivalent", "not distinguishable"]


@dataclass(frozen=True)
class Row:
    """One line of a study's table: the same run with every seed.

    Args:
        data: name of the data in the study.
        backbone: name of the backbone in the study.
        start: name of the starting order in the study.
        learner: name of the learner in the study; None if the start is used as it is.
        control: the control, as in a recipe's ``controls``; None for the thing under test.
        score: the headline metric on test images; its values follow the order of ``seeds``.
        seeds: the seeds whose runs finished.
        runs: the run folders of the seeds, relative to the folder of the study.
        reached_slots: slots that can reach the readout; None if patches are ordered again before a later block.
        num_slots: all slots in use.
        is_selection: whether some patches cannot reach the readout, so that an order selects patches.
        seconds: mean time of a run.
        left_out: patches that the order of the first seed leaves without a slot.
        spread: mean over seeds of how much the orders of images differ: their mean Kendall distance to their consensus;
            None if all images have the same order.
        validation: the headline metric on validation images with each seed; empty if unknown.
        origin: where the starting order comes from: a ``rule``, one that is ``random``, a ``file``, or ``chosen`` by a
            prior or a race.
        length: training length as a multiple of the recipe's.
    """

    data: str
    backbone: str
    start: str
    learner: str | None
    control: str | None
    score: Estimate
    seeds: tuple[int, ...]
    runs: tuple[str, ...]
    reached_slots: int | None
    num_slots: int
    is_selection: bool
    seconds: float
    left_out: int = 0
    spread: float | None = None
    validation: tuple[float, ...] = ()
    origin: Origin = "rule"
    length: float = 1.0

    __pydantic_config__ = ConfigDict(extra="forbid")

    @property
    def slots(self) -> SlotsRead:
        """The numbers of slots and patches that are read."""
        return SlotsRead(self.reached_slots, self.num_slots, self.left_out)


@dataclass(frozen=True)
class Comparison:
    """The answer of a study to one question.

    Args:
        question: ``best-fixed``: is a learned or chosen order better than the best fixed one? ``order-matters``: do
            fixed orders differ? ``learning-helps``: is the learner better than its start, fixed? ``order-holds-up``: is
            the learned order, from scratch, better than the start? ``control``: do negative controls stay at the
            start's score?
        data: name of the data in the study.
        backbone: name of the backbone in the study.
        rows: indices in the study's table; in a pair, the first is compared with the second; fixed orders are sorted
            from best to worst.
        difference: how much better the first is than the second over paired seeds or, for more than two rows, the best
            than the worst; its values are those of the common seeds.
        effect_size: mean of the paired differences over their standard deviation (Cohen's d_z); None if undefined.
        p: p-value of the test that decides. A loss against the best fixed order must also show when each half of the
            seeds is compared with the order that the other half chose: p is the larger of the two.
        p_holm: p after Holm's correction over all comparisons of the study with the same question.
        margin: differences smaller than this count as none, in units of the metric.
        verdict: ``equivalent`` if the difference is surely within the margin, each comparison at alpha; else
            ``different`` if p_holm is below alpha, else ``not distinguishable``.
        sentence: the verdict in words, with figures.
        other_p: p-value of the test that does not decide, before correction; None if it was not run.
        pool: for ``best-fixed``, indices of the fixed orders of which the second row is the best; the best on
            validation comes first.
        left_out: for ``best-fixed``, indices of fixed orders that are not yet in the pool, with fewer than half of the
            first row's seeds, or without all validation scores.
        seeds_needed: about how many seeds would show the difference, or one the size of the margin if it is unclear;
            None if there are enough.
        length: training length of its rows as a multiple of the recipe's.
    """

    question: Question
    data: str
    backbone: str
    rows: tuple[int, ...]
    difference: Estimate
    effect_size: float | None
    p: float
    p_holm: float
    margin: float
    verdict: Verdict
    sentence: str
    other_p: float | None = None
    pool: tuple[int, ...] = ()
    left_out: tuple[int, ...] = ()
    seeds_needed: int | None = None
    length: float = 1.0

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class Failure:
    """A run that failed.

    Args:
        run: its folder, relative to the folder of the study.
        reason: the message.
    """

    run: str
    reason: str

    __pydantic_config__ = ConfigDict(extra="forbid")


class StudyResult(VersionedRecord):
    """The content of ``study.json``: the results of a study, complete or so far.

    Args:
        name: name of the study.
        headline: the metric of all figures.
        higher_is_better: whether higher scores are better.
        margin: differences smaller than this count as none, in units of the metric.
        alpha: significance level of the tests, after correction.
        rows: the table.
        comparisons: the answers, by question.
        verdict: the main answers in a few sentences.
        failures: runs that failed.
        unfinished: number of runs not trained yet.
        commands: the commands that made it.
        environment: the environment of its first run, without the command; None before a run is finished.
        test: the test that decides.
    """

    version = 1

    name: str
    headline: str
    higher_is_better: bool
    margin: float
    alpha: float
    rows: tuple[Row, ...]
    comparisons: tuple[Comparison, ...]
    verdict: tuple[str, ...]
    failures: tuple[Failure, ...]
    unfinished: int
    commands: tuple[str, ...]
    environment: Environment | None
    test: DecidingTest = "permutation"

    @property
    def metric(self) -> Headline:
        """The headline metric with its direction."""
        return Headline(self.headline, self.higher_is_better)

    @property
    def has_lengths(self) -> bool:
        """Whether rows were trained for different lengths."""
        return len({row.length for row in self.rows}) > 1
