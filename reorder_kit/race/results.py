"""The results of a race: the content of its ``race.json``."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import ConfigDict

from reorder_kit.runs.file_digests import FileDigests
from reorder_kit.runs.record import Count, Finite, VersionedRecord
from reorder_kit.statistics.estimate import Estimate
from reorder_kit.statistics.headline import Headline


@dataclass(frozen=True)
class Ranked:
    """A candidate in a rung.

    Args:
        name: name of the candidate.
        loss: mean validation loss over the seeds of the rung.
        behind: how much higher its loss is than the best one's, paired by seed and image; None for the best.
    """

    name: str
    loss: float
    behind: Estimate | None

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class RungResult:
    """A rung that is over.

    Args:
        steps: optimizer steps of each training.
        seeds: number of seeds of each candidate.
        candidates: the candidates from best to worst, without those with a diverged training.
    """

    steps: int
    seeds: int
    candidates: tuple[Ranked, ...]

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class EqualCost:
    """A line of the equal-cost table.

    Args:
        contender: name of the contender.
        order: the name of its order.
        steps: optimizer steps of each of its runs.
        cost: actual cost of finding the order and training it once, in full training runs.
        score: the headline metric on test images, with a value for each fresh seed.
        behind: how much better the winner of the race is, paired by seed and image; None for the winner itself.
        runs: the run folders of the seeds, relative to the folder of the race.
    """

    contender: str
    order: str
    steps: int
    cost: float
    score: Estimate
    behind: Estimate | None
    runs: tuple[str, ...]

    __pydantic_config__ = ConfigDict(extra="forbid")


class RaceResult(VersionedRecord):
    """The content of ``race.json``: a finished race.

    Args:
        name: name of the recipe.
        headline: the metric of the equal-cost table.
        higher_is_better: whether higher scores are better.
        budget: budget in full training runs.
        cost: the part of the budget that the race used.
        seconds: time of its trainings.
        judged: the images that trials are judged on, in words.
        winner: the name of the best order, which ``order.json`` holds.
        order: the winner: the patch in each slot.
        fixed_winner: the winner of the race over fixed rules only; None if it was not run.
        start: the name of the order that the recipe starts from.
        rungs: the rungs in sequence.
        fixed_rungs: the rungs of the race over fixed rules only.
        left_out: number of candidates that the budget did not allow.
        seeds: number of fresh seeds of the proof.
        equal_cost: the equal-cost table; empty without a proof.
        conclusion: the results in sentences.
        notes: notes on the candidates.
        files: SHA-256 of the order, the recipe and the setup, by name.
    """

    version = 1

    name: str
    headline: str
    higher_is_better: bool
    budget: Finite
    cost: Finite
    seconds: Finite
    judged: str
    winner: str
    order: tuple[int, ...]
    fixed_winner: str | None
    start: str
    rungs: tuple[RungResult, ...]
    fixed_rungs: tuple[RungResult, ...]
    left_out: Count
    seeds: Count
    equal_cost: tuple[EqualCost, ...]
    conclusion: tuple[str, ...]
    notes: tuple[str, ...]
    files: FileDigests

    @property
    def metric(self) -> Headline:
        """The headline metric with its direction."""
        return Headline(self.headline, self.higher_is_better)
