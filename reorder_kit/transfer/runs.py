"""The runs of a transfer, and how they are trained or evaluated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.experiment.recorded_data import reopen_data
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.one_run import train_in_folder
from reorder_kit.model.task_checks import views_of
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.overrides import override
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.runs.record import Record
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.devices import build_accelerator, runnable_here
from reorder_kit.training.evaluation import evaluate
from reorder_kit.transfer.results import START


@dataclass(frozen=True)
class Side:
    """A recipe in a transfer with one seed: it learns an order and reads those of others.

    Args:
        name: name of the recipe.
        seed: seed of weights, batches and sampled orders.
        content: the recipe with that seed, as plain data; it has a learner and no controls.
        recipe: the checked recipe.
        folder: the folder of its runs.
    """

    name: str
    seed: int
    content: Mapping[str, Any]
    recipe: Recipe
    folder: Path

    def __str__(self) -> str:
        return f"{self.name}, seed {self.seed}"

    @property
    def splits(self) -> Path:
        """The names of the images, shared by the runs of all seeds."""
        return self.folder.parent / "splits"

    @property
    def learned(self) -> RunFolder:
        """The run in which it learns its order."""
        return RunFolder(self.folder / "learned")

    def order_from(self, source: Side | None) -> Path:
        """The file of an order that another recipe, or itself, has learned; None stands for its own start.

        Raises:
            ReorderKitError: if it is missing or damaged.
        """
        run = self.learned if source is None else source.learned
        return run.intact(run.start_order if source is None else run.order)


class Score(Record):
    """The outcome of a training or an evaluation.

    Args:
        score: the headline metric on test images.
    """

    score: float


@dataclass(frozen=True, eq=False)
class TransferRun:
    """A run to be trained.

    Args:
        about: a description.
        content: the recipe.
        folder: its run folder.
        splits: the folder with the names of images, shared by runs with the same data.
    """

    about: str
    content: Mapping[str, Any]
    folder: Path
    splits: Path

    def __str__(self) -> str:
        return self.about

    @property
    def is_finished(self) -> bool:
        """Whether nothing is left to train."""
        return RunFolder(self.folder).is_finished

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Train the run, continue it, or read its existing result."""
        result = train_in_folder(self.content, self.folder, host, self.about, self.splits)
        return Score(score=result.score).as_dict()


@dataclass(frozen=True, eq=False)
class OrderTrial:
    """A trained model to evaluate in other orders without training.

    Args:
        about: a description.
        run: folder of the model's run.
        orders: files of orders by name.
        allow_download: let the recipe in the run folder download missing data.
    """

    about: str
    run: Path
    orders: Mapping[str, Path]
    allow_download: bool = False

    is_finished = False
    """Evaluations are recorded in the ledger instead."""

    def __str__(self) -> str:
        return self.about

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Evaluate the model on test images, without training; return a score for each order by name."""
        run = LoadedRun.open(self.run, host, allow_download=self.allow_download)
        experiment = run.experiment
        accelerator = build_accelerator(runnable_here(experiment.recipe.train))
        run = run.on(accelerator.device)
        splits, data, task = reopen_data(experiment, run.folder).splits, experiment.recipe.data, experiment.task
        views = views_of(task, training=False)
        loader = evaluation_loader(splits.test, run.context.kind, "test", data.batch_size, data.workers, views=views)
        scores = {}
        for name, file in self.orders.items():
            model = run.evaluated_model.ordered_by(OrderFile.load(file).order.to(accelerator.device))
            figures = evaluate(model, task, loader, run.context, accelerator, run.progress)
            scores[name] = figures.score(task.headline)
        return scores


def learning(side: Side) -> TransferRun:
    """The run in which a recipe learns its order."""
    return TransferRun(f"{side}, learning", side.content, side.learned.path, side.splits)


def from_scratch(side: Side, source: Side | None) -> TransferRun:
    """The run that trains new weights in a given order with the schedule of the recipe."""
    name = START if source is None else source.name
    content = _kept_order(side, side.order_from(source))
    return TransferRun(
        f"{side}, from scratch in {_order(source)}", content, side.folder / f"scratch-{name}", side.splits
    )


def fine_tuned(side: Side, source: Side | None, epochs: int) -> TransferRun:
    """The run that fine-tunes the weights of the learning run in a given order.

    Warm-up and hold of the learning-rate schedule are shortened in proportion.
    """
    name = START if source is None else source.name
    content = _kept_order(side, side.order_from(source))
    schedule = side.recipe.schedule.scaled(epochs, side.recipe.train.epochs)
    changes = {
        "train.weights": str(side.learned.path),
        "train.epochs": epochs,
        "schedule": schedule.model_dump(mode="json"),
    }
    about = f"{side}, fine-tuned in {_order(source)}"
    return TransferRun(about, override(content, changes.items()), side.folder / f"tuned-{name}", side.splits)


def default_tuning(epochs: int) -> int:
    """Default epochs of fine-tuning: a fifth of the recipe's epochs."""
    return math.ceil(epochs / 5)


def _kept_order(side: Side, file: Path) -> dict[str, Any]:
    return override(side.content, [("order.learner", None), ("order.start", {"file": str(file)})])


def _order(source: Side | None) -> str:
    return "its start" if source is None else f"the order of {source.name}"
