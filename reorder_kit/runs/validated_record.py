"""The trials' verdict on a learned order before a run trained in it: the content of ``validated.json``."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord


class PairedLosses(Record):
    """The start compared with the learned order, on the same images, with the same initial weights and batches.

    Args:
        seeds: seeds of the trainings.
        steps: optimizer steps of each.
        judged: the images, in words.
        images: how many of them could be read.
        start: the mean loss in the start, by seed.
        learned: the mean loss in the learned order, by seed.
        gain: how much lower the loss of the learned order is.
        standard_error: standard error of the gain over seeds and images.
        p: p-value of the one-sided test; small if the learned order is better.
        seconds: total time of these trainings, in seconds.
    """

    seeds: list[Count]
    steps: Count
    judged: str
    images: Count
    start: list[Finite]
    learned: list[Finite]
    gain: Finite
    standard_error: Finite
    p: Finite
    seconds: Finite

    @model_validator(mode="after")
    def _has_losses_of_every_seed(self) -> Self:
        if not len(self.seeds) == len(self.start) == len(self.learned):
            raise ValueError("should have a loss in both orders for every seed")
        return self


class SearchVerdict(Record):
    """Whether the run trained in the learned order.

    Args:
        is_accepted: whether it did; otherwise it trained in the start.
        start: the patch in each slot of the starting order.
        learned: the same for the order that the search found.
        level: the p-value below which it is accepted.
        search_seconds: training time of the search, in seconds.
        trials: the result of the trials; None if the search kept the start, which left nothing to compare.
    """

    is_accepted: bool
    start: list[int]
    learned: list[int]
    level: Finite
    search_seconds: Finite
    trials: PairedLosses | None

    @model_validator(mode="after")
    def _follows_from_the_trials(self) -> Self:
        if self.is_accepted != (self.trials is not None and self.trials.gain > 0 and self.trials.p < self.level):
            raise ValueError("should be accepted if and only if p is below the level")
        return self

    @property
    def words(self) -> str:
        """The verdict in one or two sentences."""
        cost = f"The search took {self.search_seconds:.0f} s"
        trials = self.trials
        if trials is None:
            return f"No better order found: the search left the start as it was. {cost}."
        said = "A better order was found" if self.is_accepted else "No better order found"
        better = "lower" if trials.gain >= 0 else "higher"
        judged = (
            f"in {len(trials.seeds)} pairs of trainings of {trials.steps} steps from scratch, its loss on "
            f"{trials.images} judged images is {abs(trials.gain):.3f} {better} than the start's "
            f"(standard error {trials.standard_error:.3f}, one-sided p = {trials.p:.2g}, accepted below {self.level:g})"
        )
        kept = "" if self.is_accepted else "The run was trained in the start. "
        return f"{said}: {judged}. {kept}{cost}, the trials {trials.seconds:.0f} s."


class ValidatedRecord(VersionedRecord):
    """The content of ``validated.json``.

    Args:
        verdict: whether the run trained in the learned order, and why.
    """

    version = 1

    verdict: SearchVerdict
