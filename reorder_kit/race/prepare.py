"""The preparation of a race: its candidates and its plan."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from jaxtyping import Float
from torch import Tensor

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.recorded_data import OpenedData, open_data
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.model.one_pass import SeveralPassesError
from reorder_kit.orders.order import Order
from reorder_kit.race.candidate import Candidate
from reorder_kit.race.opened import OpenedRecipe
from reorder_kit.race.plan import plan_of
from reorder_kit.race.pool import Brought, Pool, pool_of, read_apart, trimmed
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.setup import RaceSetup
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.judged_images import judged_images

MOST_SCORED_SLOTS = 64
"""The most slots for closed-form scores of all orders, whose cost grows with their cube."""


@dataclass(frozen=True)
class Asked:
    """The user's request for a race.

    Args:
        experiment: the parts of the recipe.
        content: the recipe as plain data.
        budget: budget in full training runs.
        brought: orders added by the user.
        storage: URL of a database; None for a file in the folder of the race.
    """

    experiment: Experiment
    content: Mapping[str, Any]
    budget: float
    brought: Brought
    storage: str | None

    @property
    def names(self) -> tuple[str, ...]:
        """The names of added files and runs."""
        return tuple(str(path.absolute()) for path in (*self.brought.files, *self.brought.runs))


@names_plugins
def prepare(
    asked: Asked, folder: RaceFolder, host: PluginHost, announce: Callable[[str], None]
) -> tuple[RaceSetup, OpenedData]:
    """Prepare a race without writing anything.

    Args:
        asked: the user's request.
        folder: the folder of the race.
        host: the available plugins.
        announce: called with a message before a slow step.

    Returns:
        The setup, and the data with the names of its images.

    Raises:
        ReorderKitError: if the recipe does not fit its data, a candidate is invalid, or the budget is too small.
    """
    data = open_data(asked.experiment, RunFolder(folder.path / "trials"), folder.splits)
    opened = OpenedRecipe.open(asked.experiment, data.splits)
    steps = opened.full_steps
    plan_of(asked.budget, steps, 2)  # refuses an invalid budget before priors use the data
    pool = pool_of(opened, asked.content, asked.brought, host, announce)
    known = _Slots(opened, len(pool.candidates[0].indices))
    pool = read_apart(pool, known.reached)
    plan = plan_of(asked.budget, steps, len(pool.candidates))
    fixed_plan = plan_of(asked.budget, steps, len(pool.fixed), with_mutations=False)
    choice = _Choice(opened, pool, known, announce)
    field = choice.of(pool.candidates, plan.rungs[0].candidates)
    fixed_field = choice.of(pool.fixed, fixed_plan.rungs[0].candidates)
    grid = opened.grid
    setup = RaceSetup(
        name=asked.experiment.recipe.name,
        study=f"{asked.experiment.recipe.name}-{uuid4().hex[:8]}",
        storage="database" if asked.storage else "journal",
        budget=float(asked.budget),
        brought=asked.names,
        seed=asked.experiment.recipe.seed,
        grid=(*((grid.frames,) if grid.frames > 1 else ()), grid.height, grid.width),
        full_steps=steps,
        plan=plan,
        field=tuple(field),
        left_out=len(pool.candidates) - len(field),
        fixed_plan=fixed_plan,
        fixed_field=tuple(fixed_field),
        fixed_left_out=len(pool.fixed) - len(fixed_field),
        reached=known.reached,
        start=next(each for each in pool.candidates if each.name == pool.start),
        judged=judged_images(opened.experiment, data.splits).words,
        notes=(*_notes(asked.experiment), *pool.notes, *known.notes, *choice.notes),
        split=None if data.images is None else data.images.digest(),
    )
    return setup, data


def _notes(experiment: Experiment) -> Sequence[str]:
    if experiment.learner is None:
        return ()
    return (f"{experiment.learner.name} is not used: every order is trained as a fixed order",)


class _Slots:
    """The influence of each slot of a model; None if single slots have no defined influence."""

    def __init__(self, opened: OpenedRecipe, slots: int) -> None:
        self._slots = slots
        self.notes: tuple[str, ...] = ()
        self.influence: Float[Tensor, " slot"] | None = None
        try:
            influence = opened.profile(slots)
        except SeveralPassesError as error:
            self.notes = (f"it is not known which slots the model reads: {error.message}",)
        else:
            self.influence = influence if float(influence.sum()) > 0 else None

    @property
    def reached(self) -> tuple[bool, ...]:
        """Whether the model reads each slot; True for all slots if that is not known."""
        if self.influence is None:
            return (True,) * self._slots
        return tuple(share > 0 for share in self.influence.tolist())


class _Choice:
    """Chooses candidates by the closed-form score or, if single slots have no defined influence, by name."""

    def __init__(self, opened: OpenedRecipe, pool: Pool, slots: _Slots, announce: Callable[[str], None]) -> None:
        self._opened, self._pool, self._announce = opened, pool, announce
        self.notes: list[str] = []
        self._known: dict[Order, float] = {}
        self._influence = slots.influence
        self._is_quick = sum(slots.reached) <= MOST_SCORED_SLOTS
        self._is_told = bool(slots.notes)

    def of(self, candidates: Sequence[Candidate], count: int) -> list[Candidate]:
        """Choose the candidates that race."""
        if count < len(candidates):
            self._announce(f"choosing {count} of {len(candidates)} candidates")
            if not (self._is_quick or self.notes or self._is_told):
                self.notes.append(
                    f"the model reads more than {MOST_SCORED_SLOTS} slots, for which the closed-form score is slow: "
                    "the plain rules race first"
                )
        kept = dict.fromkeys((self._pool.start, *self._pool.certain))
        return trimmed(candidates, count, tuple(kept), self._scores)

    def _scores(self, orders: Sequence[Order]) -> Sequence[float]:
        if self._influence is None or not self._is_quick:  # plain rules are first in the pool
            return [-float(place) for place in range(len(orders))]
        new = [order for order in orders if order not in self._known]
        self._known |= dict(zip(new, self._opened.closed_form(new, self._influence), strict=True))
        return [self._known[order] for order in orders]


def require_same(asked: Asked, setup: RaceSetup, race: Path) -> None:
    """Refuse to continue a race that began with other settings.

    Args:
        asked: the current request.
        setup: the setup of the existing race.
        race: the folder of the race.

    Raises:
        ReorderKitError: naming what differs.
    """
    now = {
        "--budget": float(asked.budget),
        "--order and --run": asked.names,
        "--storage": "database" if asked.storage else "journal",
    }
    began = {"--budget": setup.budget, "--order and --run": setup.brought, "--storage": setup.storage}
    different = [field for field in now if now[field] != began[field]]
    if different:
        listed = "; ".join(f"{field} was {began[field] or 'not given'}" for field in different)
        raise ReorderKitError(f"{race} holds a race that began with other settings: {listed}", "give another --out")
