"""The runs of the planted benchmark, and how they are trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

from reorder_kit.benchmark.planted_cases import Case
from reorder_kit.controls import LearnedStatic
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.overrides import override
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.record import Record
from reorder_kit.runs.result import RestoredChain, RunOrder, RunResult
from reorder_kit.training.run import run_experiment

Split = Literal["test", "validation"]


class Accuracy(Record):
    """The accuracy of a model.

    Args:
        test: accuracy on test images.
        validation: accuracy on validation images.
    """

    test: float
    validation: float

    @classmethod
    def of(cls, headline: str, test: Figures, validation: Figures) -> Self:
        """The accuracy of a model with these figures."""
        return cls(test=test.score(headline), validation=validation.score(headline))

    def on(self, split: Split) -> float:
        """The accuracy on a split."""
        return self.test if split == "test" else self.validation


class PlantedOutcome(Record):
    """The part of a run's result that the report needs.

    Args:
        accuracy: accuracy of the run itself.
        from_scratch: accuracy of a model trained in the learned order from the first step; None for a fixed order.
        neighbours: share of neighboring slots whose patches belong together; None if each image has its own order.
        order: the patch in each slot at the end.
        reach: slots that reach the readout, None if unknown, and all slots.
        seconds: time of training.
    """

    accuracy: Accuracy
    from_scratch: Accuracy | None
    neighbours: float | None
    order: list[int]
    reach: tuple[int | None, int]
    seconds: float

    @classmethod
    def of(cls, result: RunResult) -> Self:
        """The outcome of a run with this result."""
        static = result.controls.get(LearnedStatic.name)
        trained = None if static is None else static.metrics
        from_scratch = None
        if trained is not None and trained.validation is not None:
            from_scratch = Accuracy.of(result.headline, trained.test, trained.validation)
        return cls(
            accuracy=Accuracy.of(result.headline, result.metrics.test, result.metrics.validation),
            from_scratch=from_scratch,
            neighbours=_neighbors(result.order),
            order=result.order.final,
            reach=(result.order.reach.slots, result.order.reach.of),
            seconds=result.seconds,
        )


@dataclass(frozen=True, eq=False)
class PlantedRun:
    """One run: a fixed order, or a learner followed by training from scratch in its order.

    Args:
        case: data and model.
        seed: seed of the hidden order, the random start, weights and batches.
        start: name of the order it starts from, one of the case's orders.
        learner: name of the learner; None keeps the start.
        options: options of the learner.
    """

    case: Case
    seed: int
    start: str
    learner: str | None = None
    options: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        order = self.start if self.learner is None else f"{self.learner} from {self.start}"
        return f"{self.case.name}, {order}, seed {self.seed}"

    @property
    def recipe(self) -> dict[str, Any]:
        """The recipe; it starts from row order if the start is the known answer."""
        start = self.case.orders[self.start] or {"name": "row"}
        content = {
            "format_version": 1,
            "name": "planted",
            "seed": self.seed,
            **self.case.sections,
            "order": {
                "start": {**start, "seed": self.seed} if start["name"] == "random" else dict(start),
                "learner": None if self.learner is None else {"name": self.learner, **(self.options or {})},
            },
            "controls": [] if self.learner is None else [LearnedStatic.name],
        }
        return override(content, ((field, self.seed) for field in self.case.seeded))

    def settings(self, host: PluginHost) -> dict[str, Any]:
        """The recipe with all defaults, checked.

        Raises:
            RecipeError: with every mistake in it.
        """
        return compose(self.recipe, host, str(self)).resolved()

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Train the run in a temporary folder and return its :class:`PlantedOutcome` as plain data."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            content = self.recipe
            if self.case.orders[self.start] is None:
                grid = Grid(*self.case.grid)
                answer = known_answer(compose(content, host, str(self)), grid)
                OrderFile(self.start, grid, answer).save(folder / "answer.json")
                content = override(content, [("order.start", {"file": str(folder / "answer.json")})])
            _, result = run_experiment(compose(content, host, str(self)), host, folder / "run")
        return PlantedOutcome.of(result).as_dict()


def planned_runs(
    cases: Iterable[Case], learners: Mapping[str, Mapping[str, Mapping[str, Any]]], seeds: Iterable[int]
) -> Iterator[PlantedRun]:
    """List the runs: every case and seed with each fixed order, and with each learner from each start of the case.

    Args:
        cases: the cases.
        learners: options by learner and case.
        seeds: the seeds.
    """
    seeds = list(seeds)
    for case in cases:
        for seed in seeds:
            yield from (PlantedRun(case, seed, order) for order in case.orders)
            for learner, options in learners.items():
                yield from (PlantedRun(case, seed, start, learner, options[case.name]) for start in case.starts)


def known_answer(experiment: Experiment, grid: Grid) -> Order:
    """The order that undoes a scramble, or that a data source hides."""
    scramble = experiment.planted_order(grid)
    answer = experiment.data_source.hidden_order() if scramble is None else scramble.inverse()
    if answer is None:
        raise ValueError(f"{experiment.data_source.name} does not hide an order")
    return answer


def _neighbors(order: RunOrder) -> float | None:
    """The share of neighboring slots whose patches belong together; None for a consensus, in which no image is read."""
    if order.is_consensus:
        return None
    if isinstance(order.planted, RestoredChain):
        return order.planted.restored_neighbours / order.planted.of
    return order.adjacency if order.planted is None else order.planted.adjacency_in_true_image
