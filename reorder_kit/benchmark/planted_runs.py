"""The runs of the planted benchmark: which there are, and how one is trained."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from reorder_kit.benchmark.planted_cases import Case
from reorder_kit.controls import LearnedStatic
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.overrides import override
from reorder_kit.training.run import run_experiment


@dataclass(frozen=True, eq=False)
class PlantedRun:
    """One training: of a fixed order, or of a learner with its order used from scratch beside it.

    Args:
        case: data and model.
        seed: of the hidden order, the random start, weights and batches.
        start: name of the order it starts from, one of the case's.
        learner: name of the learner; None keeps the start.
        options: of the learner.
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
        """The recipe, which starts from row order where the start is the known answer."""
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
        """Train it in a folder that is thrown away; what the report needs of the result."""
        with TemporaryDirectory() as name:
            folder = Path(name)
            content = self.recipe
            if self.case.orders[self.start] is None:
                grid = Grid(*self.case.grid)
                answer = known_answer(compose(content, host, str(self)), grid)
                OrderFile(self.start, grid, answer).save(folder / "answer.json")
                content = override(content, [("order.start", {"file": str(folder / "answer.json")})])
            _, result = run_experiment(compose(content, host, str(self)), host, folder / "run")
        return _outcome(result)


def planned_runs(
    cases: Iterable[Case], learners: Mapping[str, Mapping[str, Mapping[str, Any]]], seeds: Iterable[int]
) -> Iterator[PlantedRun]:
    """Every case and seed with each fixed order, once, and with each learner from each of the case's starts.

    Args:
        cases: which.
        learners: options by learner and case.
        seeds: which.
    """
    seeds = list(seeds)
    for case in cases:
        for seed in seeds:
            yield from (PlantedRun(case, seed, order) for order in case.orders)
            for learner, options in learners.items():
                yield from (PlantedRun(case, seed, start, learner, options[case.name]) for start in case.starts)


def known_answer(experiment: Experiment, grid: Grid) -> Order:
    """The order that undoes a scramble, or the one that a data source hides."""
    scramble = experiment.planted_order(grid)
    answer = experiment.data_source.hidden_order() if scramble is None else scramble.inverse()
    if answer is None:
        raise ValueError(f"{experiment.data_source.name} hides no order")
    return answer


def _outcome(result: Mapping[str, Any]) -> dict[str, Any]:
    order, headline = result["order"], result["headline"]

    def accuracy(metrics: Mapping[str, Any]) -> dict[str, float]:
        return {split: metrics[split][headline] for split in ("test", "validation")}

    static = result["controls"].get(LearnedStatic.name)
    return {
        "accuracy": accuracy(result["metrics"]),
        "from_scratch": None if static is None else accuracy(static["metrics"]),
        "neighbours": _neighbours(order),
        "order": order["final"],
        "reach": [order["reach"]["slots"], order["reach"]["of"]],
        "seconds": result["seconds"],
    }


def _neighbours(order: Mapping[str, Any]) -> float | None:
    """The share of neighbouring slots whose patches belong together; None of a consensus, in which nothing is read."""
    if order.get("is_consensus"):
        return None
    planted = order.get("planted", order)
    if "restored_neighbours" in planted:
        return float(planted["restored_neighbours"] / planted["of"])
    return float(planted.get("adjacency_in_true_image", order["adjacency"]))
