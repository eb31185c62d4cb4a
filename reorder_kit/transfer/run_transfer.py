"""Run a transfer: find out whether a learned order helps other models or data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts_of_parts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.local_data import local_source
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Ordering
from reorder_kit.jobs.engine import Executor, outcomes
from reorder_kit.jobs.ledger import Ledger
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.folder_lock import alone
from reorder_kit.transfer.results import START, Cell, Scores, Target, TransferResult, collect
from reorder_kit.transfer.runs import (
    OrderTrial,
    Score,
    Side,
    TransferRun,
    default_tuning,
    fine_tuned,
    from_scratch,
    learning,
)

Work = TransferRun | OrderTrial
Recipes = Sequence[tuple[Mapping[str, Any], str]]
"""Contents of recipes, and their names in messages."""


@dataclass(frozen=True)
class TransferPlan:
    """A checked transfer.

    Args:
        sides: the recipes by name, one per seed, in the order of the seeds.
        seeds: the seeds of all recipes.
        grid: the grid of patches that all of them read.
        tune_epochs: epochs of fine-tuning, by name.
        folder: the folder of the transfer.
        allow_download: let the recipes in existing run folders download missing data.
        warnings: a sentence for each part of a recipe that a release will remove, and for each doubt about a backbone.
    """

    sides: Mapping[str, Sequence[Side]]
    seeds: Sequence[int]
    grid: Grid
    tune_epochs: Mapping[str, int]
    folder: Path
    allow_download: bool
    warnings: Sequence[str] = ()

    @property
    def targets(self) -> list[Side]:
        """Every recipe with every seed, seed by seed."""
        return [side for of_seed in zip(*self.sides.values(), strict=True) for side in of_seed]


def plan_transfer(
    recipes: Recipes,
    seeds: Sequence[int],
    folder: Path,
    tune_epochs: int | None,
    host: PluginHost,
    allow_download: bool = False,
) -> TransferPlan:
    """Check that the recipes learn orders that can be transferred between them.

    Args:
        recipes: at least two.
        seeds: the seeds that every recipe is run with.
        folder: the folder for the run folders.
        tune_epochs: epochs of fine-tuning; None for a fifth of a recipe's own epochs.
        host: the plugins.
        allow_download: let the recipes in the run folders download missing data when models are evaluated.

    Raises:
        ReorderKitError: if a recipe is invalid or has no learner, two have the same name, or their grids differ.
    """
    if len(recipes) < 2:
        raise ReorderKitError("a transfer needs at least two recipes")
    sides: dict[str, list[Side]] = {}
    grids: dict[str, Grid] = {}
    tuning: dict[str, int] = {}
    warnings: list[str] = []
    for content, source in recipes:
        experiment = compose(content, host, source)
        recipe = experiment.recipe
        if recipe.name in sides:
            raise ReorderKitError(f"two recipes have the name {recipe.name!r}", "give them different names")
        if recipe.name == START:
            raise ReorderKitError(f"a recipe cannot have the name {START!r}, which stands for the starting order")
        if experiment.learner is None or experiment.control is not None:
            raise ReorderKitError(f"{source}: has no order-learner", "set order.learner")
        if recipe.train.steps is not None or recipe.order.weights is not None:
            field = "order.weights" if recipe.train.steps is None else "train.steps"
            raise ReorderKitError(
                f"{source}: a transfer trains every order from scratch, for epochs, so it cannot use {field}",
                "set train.epochs and order.start",
            )
        if not allow_download:
            local_source(experiment.data_source)  # fails here rather than after training
        grids[recipe.name] = experiment.facts(experiment.open_data().image).grid
        tuning[recipe.name] = tune_epochs or default_tuning(recipe.train.epochs)
        warnings += (f"{source}: {words}" for words in doubts_of_parts(experiment))
        sides[recipe.name] = []
        for seed in seeds:
            seeded = override(content, [("seed", seed), ("controls", []), *_seed_of_start(experiment, seed)])
            checked = compose(seeded, host, source).recipe
            sides[recipe.name].append(Side(recipe.name, seed, seeded, checked, folder / recipe.name / f"seed-{seed}"))
    return TransferPlan(sides, seeds, _common_grid(grids), tuning, folder, allow_download, warnings)


def _seed_of_start(experiment: Experiment, seed: int) -> list[tuple[str, Any]]:
    """A random start draws a different order for each seed unless the recipe names a seed."""
    if not isinstance(experiment.start, Ordering):
        return []
    given = experiment.start.options.model_fields_set
    drawn = experiment.start.drawn_with(seed)
    return [(f"order.start.{option}", value) for option, value in drawn.items() if option not in given]


def _common_grid(grids: Mapping[str, Grid]) -> Grid:
    (first, grid), *others = grids.items()
    for name, other in others:
        if other != grid:
            raise ReorderKitError(
                f"{first} reads {grid} patches but {name} reads {other}: an order for one grid does not fit the other",
                "set the same backbone.grid in both",
            )
    return grid


def run_transfer(
    plan: TransferPlan, host: PluginHost, executor: Executor[Work], tell: Callable[[str], None]
) -> TransferResult:
    """Train and evaluate what is missing.

    Args:
        plan: the transfer.
        host: the plugins, which worker processes load again.
        executor: where runs are trained.
        tell: called with a message for each finished training or evaluation.

    Raises:
        ReorderKitError: if a run folder holds another run, another process is using the folder, or a training fails;
            all other trainings are finished first.
    """
    plan.folder.mkdir(parents=True, exist_ok=True)
    with alone(plan.folder):
        ledger = Ledger(plan.folder / "evaluated.jsonl")
        with executor:
            scores = _finish(plan, ledger, host, executor, tell)
        for target in plan.targets:
            for row, file in _orders(plan, target).items():
                run, settings = _entry(target, row, file)
                noted = Score.parse(ledger.outcome(run, settings) or {}, f"evaluated.jsonl: {run}")
                scores["evaluated", target.name, row, target.seed] = noted.score
    found = [Target.of(name, sides[0].learned.read_result()) for name, sides in plan.sides.items()]
    return collect(scores, plan.seeds, found)


def _finish(
    plan: TransferPlan, ledger: Ledger, host: PluginHost, executor: Executor[Work], tell: Callable[[str], None]
) -> Scores:
    """Learn all orders first, because the other trainings and the evaluations use them; return the scores of the
    trainings.
    """
    for _ in _work_through([learning(target) for target in plan.targets], host, executor, tell):
        pass
    training = {run: cell for target in plan.targets for cell, run in _trainings(plan, target)}
    trials = {trial: target for target in plan.targets if (trial := _trial(plan, target, ledger)) is not None}
    scores: Scores = {}
    for work, outcome in _work_through([*trials, *training], host, executor, tell):
        if isinstance(work, TransferRun):
            scores[training[work]] = Score.parse(outcome, str(work)).score
            continue
        for row, score in outcome.items():
            ledger.add(*_entry(trials[work], row, work.orders[row]), Score(score=score).as_dict())
    return scores


def _work_through(
    work: Sequence[Work], host: PluginHost, executor: Executor[Work], tell: Callable[[str], None]
) -> Iterator[tuple[Work, dict[str, Any]]]:
    """Yield all work with its outcome; finished work is checked and read."""
    yield from ((each, each.train(host)) for each in work if each.is_finished)
    missing = [each for each in work if not each.is_finished]
    for number, (done, outcome) in enumerate(outcomes(missing, executor), start=1):
        tell(f"{number}/{len(missing)} {done}")
        yield done, outcome


def _rows(plan: TransferPlan, target: Side) -> dict[str, Side | None]:
    """The recipes whose orders a target reads, by name, with the target's own seed."""
    place = plan.seeds.index(target.seed)
    return {START: None, **{name: sides[place] for name, sides in plan.sides.items()}}


def _orders(plan: TransferPlan, target: Side) -> dict[str, Path]:
    return {row: target.order_from(source) for row, source in _rows(plan, target).items()}


def _trainings(plan: TransferPlan, target: Side) -> Iterator[tuple[Cell, TransferRun]]:
    for row, source in _rows(plan, target).items():
        yield ("scratch", target.name, row, target.seed), from_scratch(target, source)
        yield ("tuned", target.name, row, target.seed), fine_tuned(target, source, plan.tune_epochs[target.name])


def _trial(plan: TransferPlan, target: Side, ledger: Ledger) -> OrderTrial | None:
    """The evaluation of a trained target in the orders that are missing."""
    orders = _orders(plan, target)
    missing = {row: file for row, file in orders.items() if ledger.outcome(*_entry(target, row, file)) is None}
    return OrderTrial(f"{target}, evaluated", target.learned.path, missing, plan.allow_download) if missing else None


def _entry(target: Side, row: str, file: Path) -> tuple[str, dict[str, Any]]:
    """The name and settings of an evaluation in the ledger."""
    settings = {"recipe": dict(target.content), "order": OrderFile.load(file).order.indices.tolist()}
    return f"{target.name}/seed-{target.seed}/{row}", settings
