"""The standing of a race and its proof: what is finished, and what can be trained now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from reorder_kit.race.candidate import Trial
from reorder_kit.race.course import Course, course_of
from reorder_kit.race.proof import ProofRun, contenders_of, most_proof_steps, runs_of
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.setup import RaceSetup
from reorder_kit.race.storage import Told


@dataclass(frozen=True)
class Standing:
    """How far a race and its proof have come.

    Args:
        setup: the setup of the race.
        main: the course of the race.
        fixed: the course of the race over fixed rules only; None without a proof.
        runs: the runs of the proof; empty until both races are over.
        missing: the runs of the proof that are not finished.
        seeds: number of seeds of the proof.
        told: every finished trial, by key.
    """

    setup: RaceSetup
    main: Course
    fixed: Course | None
    runs: tuple[ProofRun, ...]
    missing: tuple[ProofRun, ...]
    seeds: int
    told: Mapping[str, Told]

    @classmethod
    def of(cls, setup: RaceSetup, folder: RaceFolder, told: Mapping[str, Told], seeds: int) -> Standing:
        """Determine the standing from the storage and the folder.

        Args:
            setup: the setup of the race.
            folder: the folder of the race.
            told: finished trials by key.
            seeds: number of seeds of the proof.
        """
        losses = {key: each.loss for key, each in told.items()}
        main = course_of(setup.track, losses)
        fixed = course_of(setup.fixed_track, losses) if seeds else None
        runs: list[ProofRun] = []
        if main.winner is not None and fixed is not None and fixed.winner is not None:
            runs = runs_of(contenders_of(setup, main, fixed), seeds)
        missing = [run for run in runs if not folder.proof(run.candidate, run.steps, run.number).is_finished]
        return cls(setup, main, fixed, tuple(runs), tuple(missing), seeds, told)

    @property
    def trials(self) -> tuple[Trial, ...]:
        """Trials that can be trained now; those of the main race come before those that only the fixed race needs."""
        wanted = {trial.key: trial for trial in self.main.missing}
        if self.main.winner is not None and self.fixed is not None:
            wanted |= {trial.key: trial for trial in self.fixed.missing}
        return tuple(wanted.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to train."""
        fixed_is_over = self.fixed is None or self.fixed.winner is not None
        return self.main.winner is not None and fixed_is_over and not self.missing

    @property
    def steps(self) -> int:
        """The planned steps of all trainings."""
        fixed = self.setup.fixed_plan.steps if self.fixed is not None else 0
        return self.setup.plan.steps + fixed + most_proof_steps(self.setup, self.seeds)

    @property
    def steps_done(self) -> int:
        """How many of the planned steps are done."""
        if self.is_over:
            return self.steps
        done = self.main.steps_done
        if self.fixed is not None:
            done += self.fixed.steps_done if self.main.winner is not None else 0
        missing = set(self.missing)
        return done + sum(run.steps for run in self.runs if run not in missing)

    @property
    def seconds_of_a_step(self) -> float | None:
        """Seconds per step of the finished trials, including evaluation; None before the first is finished."""
        steps = {
            trial.key: trial.steps
            for course in (self.main, self.fixed)
            if course
            for trial in course.trials.values()
            if trial.key in self.told
        }
        taken = sum(self.told[key].seconds for key in steps)
        return taken / sum(steps.values()) if steps else None

    @property
    def stage(self) -> str:
        """The current stage in a few words."""
        if self.main.winner is None:
            return _rung(self.main)
        if self.fixed is not None and self.fixed.winner is None:
            return f"fixed rules only: {_rung(self.fixed)}"
        return "proof on fresh seeds"


def _rung(course: Course) -> str:
    rung = course.rungs[-1].rung
    return f"rung {len(course.rungs)} of {len(course.track.plan.rungs)}: {rung.candidates} orders, {rung.steps} steps"
