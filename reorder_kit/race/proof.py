"""The runs that prove a winner: full length, fresh seeds, one test, equal total cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from reorder_kit.race.candidate import Candidate, proof_seed
from reorder_kit.race.course import Course
from reorder_kit.race.setup import RaceSetup

WINNER = "winner of the race"
FIXED = "winner of a race over fixed rules"
FIXED_LONGER = "best fixed order, trained longer"
START_LONGER = "start of the recipe, trained longer"


@dataclass(frozen=True)
class Contender:
    """A contender in the final comparison.

    Args:
        name: name of the contender.
        candidate: its order.
        steps: optimizer steps of each of its runs.
        cost: actual cost of finding the order and training it once, in full training runs.
    """

    name: str
    candidate: Candidate
    steps: int
    cost: float


@dataclass(frozen=True)
class ProofRun:
    """A run at full length, or longer.

    Args:
        candidate: its order.
        steps: optimizer steps.
        number: number of its seed, from 0.
    """

    candidate: Candidate
    steps: int
    number: int

    def __str__(self) -> str:
        return f"{self.candidate.name}, {self.steps} steps, fresh seed {self.number}"


def contenders_of(setup: RaceSetup, main: Course, fixed: Course) -> tuple[Contender, ...]:
    """The contenders: a race and one full run, or one longer training with the same number of steps.

    Args:
        setup: the setup of the race.
        main: the finished race.
        fixed: the finished race over fixed rules only.

    Raises:
        ReorderKitError: if all orders diverged.
    """
    winner, best_fixed = main.require_winner(), fixed.require_winner()
    full, longer = setup.full_steps, setup.longer_steps
    return (
        Contender(WINNER, winner, full, (main.steps_spent + full) / full),
        Contender(FIXED, best_fixed, full, (fixed.steps_spent + full) / full),
        Contender(FIXED_LONGER, best_fixed, longer, longer / full),
        Contender(START_LONGER, setup.start, longer, longer / full),
    )


def runs_of(contenders: Iterable[Contender], seeds: int) -> list[ProofRun]:
    """The runs of all contenders, seed by seed; equal orders with equal steps are trained once."""
    pairs = {(each.candidate.key, each.steps): each for each in contenders}
    return [ProofRun(each.candidate, each.steps, number) for number in range(seeds) for each in pairs.values()]


def most_proof_steps(setup: RaceSetup, seeds: int) -> int:
    """The steps of all proof runs if no two contenders have the same order."""
    return seeds * 2 * (setup.full_steps + setup.longer_steps)


def recipe_of(run: ProofRun, content: Mapping[str, Any], order_file: str, seed: int) -> dict[str, Any]:
    """The recipe of a run.

    Args:
        run: the run.
        content: the resolved recipe of the race.
        order_file: the file with its order.
        seed: seed of the recipe.
    """
    train = {key: value for key, value in content["train"].items() if key != "epochs"}
    order: dict[str, Any] = {"start": {"file": order_file}, "learner": None}
    return {
        **content,
        "seed": proof_seed(seed, run.number),
        "order": order,
        "controls": [],
        "train": {**train, "steps": run.steps},
    }
