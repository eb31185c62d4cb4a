"""The course of a race: what its trials have decided so far, and which to train next."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from reorder_kit.data.random_streams import stream
from reorder_kit.errors import ReorderKitError
from reorder_kit.race.candidate import Candidate, Trial
from reorder_kit.race.mutations import mutations_of
from reorder_kit.race.plan import RacePlan, Rung


@dataclass(frozen=True)
class Track:
    """A planned race; its result depends only on the losses of its trials.

    Args:
        plan: its rungs.
        field: the candidates of the first rung.
        reached: whether the model reads each slot, for mutations.
        seed: seed of the recipe.
    """

    plan: RacePlan
    field: tuple[Candidate, ...]
    reached: tuple[bool, ...]
    seed: int


@dataclass(frozen=True)
class RungStanding:
    """A rung that is over or in progress.

    Args:
        rung: the planned rung.
        field: its candidates, sorted from best to worst once it is over.
        trials: the trials of all its candidates.
        missing: the trials that are not finished.
        losses: mean validation loss of each candidate, in the sequence of the field; empty until it is over.
    """

    rung: Rung
    field: tuple[Candidate, ...]
    trials: tuple[Trial, ...]
    missing: tuple[Trial, ...]
    losses: tuple[float, ...]

    @property
    def is_over(self) -> bool:
        """Whether every trial is finished."""
        return not self.missing


@dataclass(frozen=True)
class Course:
    """How far a race has come.

    Args:
        track: the race.
        rungs: the rungs that are over, and the one in progress.
    """

    track: Track
    rungs: tuple[RungStanding, ...]

    @property
    def missing(self) -> tuple[Trial, ...]:
        """Trials that can be trained now."""
        return self.rungs[-1].missing

    @property
    def winner(self) -> Candidate | None:
        """The best candidate of the last rung; None until that rung is over."""
        last = self.rungs[-1]
        return last.field[0] if last.is_over and len(self.rungs) == len(self.track.plan.rungs) else None

    @property
    def trials(self) -> dict[str, Trial]:
        """All trials requested so far, by key."""
        return {trial.key: trial for rung in self.rungs for trial in rung.trials}

    @property
    def diverged(self) -> tuple[Candidate, ...]:
        """Candidates with a diverged training, in rungs that are over."""
        pairs = [
            pair for rung in self.rungs for pair in zip(rung.field, rung.losses, strict=False) if math.isinf(pair[1])
        ]
        return tuple(dict(pairs))

    def require_winner(self) -> Candidate:
        """The winner of a finished race.

        Raises:
            ReorderKitError: if every candidate of its last rung diverged.
        """
        assert self.winner is not None
        if math.isinf(self.rungs[-1].losses[0]):
            raise ReorderKitError(
                f"the trainings of all orders in the last rung diverged, over {self.rungs[-1].rung.steps} steps",
                "try a smaller optimizer.lr or train.clip_grad, and race in another --out",
            )
        return self.winner

    @property
    def steps_spent(self) -> int:
        """Steps of all trials requested so far; fewer than planned if few mutations are new or rungs share trials."""
        return sum(trial.steps for trial in self.trials.values())

    @property
    def steps_done(self) -> int:
        """How many of the planned steps are done; a rung that is over counts in full."""
        over = sum(each.rung.cost for each in self.rungs if each.is_over)
        now = self.rungs[-1]
        return over if now.is_over else over + max(0, now.rung.cost - now.rung.steps * len(now.missing))


def course_of(track: Track, losses: Mapping[str, float]) -> Course:
    """Follow a race as far as its trials are finished.

    In each rung, all candidates are trained with the same seeds and judged on the same images, so the difference of two
    mean losses is the mean of their paired differences. Ties keep their previous order.

    Args:
        track: the race.
        losses: mean validation loss of finished trials by key.
    """
    standings: list[RungStanding] = []
    field, seen = track.field, {candidate.read(track.reached) for candidate in track.field}
    for number, rung in enumerate(track.plan.rungs):
        if number:
            leaders = field[: rung.candidates - rung.mutations]
            seed = stream(track.seed, "race", number)
            children = mutations_of(leaders, rung.mutations, track.reached, seen, seed) if rung.mutations else []
            seen |= {child.read(track.reached) for child in children}
            field = (*leaders, *children)
        trials = tuple(Trial(candidate, seed, rung.steps) for seed in range(rung.seeds) for candidate in field)
        missing = tuple(trial for trial in trials if trial.key not in losses)
        if missing:
            standings.append(RungStanding(rung, field, trials, missing, ()))
            break
        means = {candidate: _mean(candidate, rung, losses) for candidate in field}
        field = tuple(sorted(field, key=lambda candidate: means[candidate]))
        standings.append(RungStanding(rung, field, trials, (), tuple(means[candidate] for candidate in field)))
    return Course(track, tuple(standings))


def _mean(candidate: Candidate, rung: Rung, losses: Mapping[str, float]) -> float:
    values: Sequence[float] = [losses[Trial(candidate, seed, rung.steps).key] for seed in range(rung.seeds)]
    return sum(values) / len(values)
