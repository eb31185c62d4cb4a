"""What came out of a race: the content of its ``race.json``."""

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
        name: what it is called.
        loss: mean validation loss over the seeds of the rung.
        behind: by how much its loss is higher than that of the best, paired by seed and image; None of the best.
    """

    name: str
    loss: float
    behind: Estimate | None

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class RungResult:
    """A rung that is over.

    Args:
        steps: of each training.
        seeds: of each candidate.
        candidates: the best first, without those of which a training diverged.
    """

    steps: int
    seeds: int
    candidates: tuple[Ranked, ...]

    __pydantic_config__ = ConfigDict(extra="forbid")


@dataclass(frozen=True)
class EqualCost:
    """A line of the table of equal cost.

    Args:
        contender: what it is.
        order: the name of its order.
        steps: of each of its runs.
        cost: what finding the order and training it once has really taken, in full training runs.
        score: the headline metric on test images; its values are those of the fresh seeds.
        behind: by how much the winner of the race is better, paired by seed and image; None of the winner itself.
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
    """The content of ``race.json``: a race that is over.

    Args:
        name: of the recipe.
        headline: the metric of the table of equal cost.
        higher_is_better: whether a higher headline is a better one.
        budget: in full training runs.
        cost: what the race took of it.
        seconds: that its trainings took.
        judged: the images that trials are judged on, in words.
        winner: the name of the best order, which ``order.json`` holds.
        order: the winner: the patch in each slot.
        fixed_winner: that of the race over fixed rules only; None if it was not run.
        start: the name of the order that the recipe starts from.
        rungs: in sequence.
        fixed_rungs: those of the race over fixed rules only.
        left_out: candidates that the budget could not pay for.
        seeds: fresh seeds of the proof.
        equal_cost: the table of equal cost; empty without a proof.
        conclusion: what came out, in sentences.
        notes: what is to be known of the candidates.
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
        """The headline, with its direction."""
        return Headline(self.headline, self.higher_is_better)
