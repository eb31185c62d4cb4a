"""The setup of a race: the content of its ``setup.json``, which every worker follows."""

from __future__ import annotations

from typing import Literal

from reorder_kit.orders.grid import Grid
from reorder_kit.race.candidate import Candidate
from reorder_kit.race.course import Track
from reorder_kit.race.plan import RacePlan
from reorder_kit.runs.record import Count, Finite, VersionedRecord

Backend = Literal["journal", "database"]


class RaceSetup(VersionedRecord):
    """The content of ``setup.json``.

    Args:
        name: name of the recipe.
        study: name of the race in Optuna's storage.
        storage: whether the storage is a file in the race folder or a database, whose URL is not recorded.
        budget: budget of each race, in full training runs.
        brought: added order files and runs, as given by the user.
        seed: seed of the recipe.
        grid: grid of patches: height and width, or frames, height and width.
        full_steps: optimizer steps of a full training run.
        plan: plan of the race.
        field: its candidates.
        left_out: number of candidates that the budget does not allow.
        fixed_plan: plan of the race over fixed rules only, with the same budget.
        fixed_field: its candidates.
        fixed_left_out: number of fixed rules that the budget does not allow.
        reached: whether the model reads each slot.
        start: the candidate that the recipe starts from.
        judged: the images that trials are judged on, in words.
        notes: notes on the candidates.
        split: digest of the names of the images; None if they have no names.
    """

    version = 1

    name: str
    study: str
    storage: Backend
    budget: Finite
    brought: tuple[str, ...]
    seed: Count
    grid: tuple[int, ...]
    full_steps: Count
    plan: RacePlan
    field: tuple[Candidate, ...]
    left_out: Count
    fixed_plan: RacePlan
    fixed_field: tuple[Candidate, ...]
    fixed_left_out: Count
    reached: tuple[bool, ...]
    start: Candidate
    judged: str
    notes: tuple[str, ...]
    split: str | None = None

    @property
    def grid_of_patches(self) -> Grid:
        """The grid of patches."""
        return Grid(*self.grid[-2:], *self.grid[:-2])

    @property
    def track(self) -> Track:
        """The race."""
        return Track(self.plan, self.field, self.reached, self.seed)

    @property
    def fixed_track(self) -> Track:
        """The race over fixed rules only."""
        return Track(self.fixed_plan, self.fixed_field, self.reached, self.seed)

    @property
    def longer_steps(self) -> int:
        """The steps of a run that costs as much as the planned race and a full run after it; not less than for either
        race.
        """
        return self.full_steps + max(self.plan.steps, self.fixed_plan.steps)
