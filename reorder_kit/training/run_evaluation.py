"""Evaluate a run's model on its data: metrics, the policy's order, and the influence of slots."""

from __future__ import annotations

from dataclasses import dataclass

from accelerate import Accelerator

from reorder_kit.analysis.influence import SlotInfluence, slot_influence
from reorder_kit.data.data_loading import (
    EVALUATION_SEED,
    KeyedSamples,
    evaluation_loader,
    load_batch,
    require_samples,
)
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, DataSplits, Task, TaskContext
from reorder_kit.interfaces.gather_images import alone
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import prepare, views_of
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.runs.figures import Figures
from reorder_kit.training.beside import Change, in_random_order
from reorder_kit.training.evaluation import evaluate
from reorder_kit.training.image_scores import ImageScores
from reorder_kit.training.order_summary import OrderSummary, summarize_orders

CONSENSUS_IMAGES = 256
"""The number of first validation images over which the orders of a dynamic policy are summarized."""


@dataclass(frozen=True)
class RunEvaluation:
    """Evaluates models on the data of a run.

    Args:
        recipe: says how images are loaded.
        task: defines the metrics.
        splits: opened data.
        context: what is known about the run.
        accelerator: device, precision, processes.

    Raises:
        ReorderKitError: if a split has fewer images than there are processes, or lacks the views that the task
            needs.
    """

    recipe: Recipe
    task: Task
    splits: DataSplits
    context: TaskContext
    accelerator: Accelerator

    def __post_init__(self) -> None:
        for split in ("validation", "test"):
            samples = self.splits.validation if split == "validation" else self.splits.test
            require_samples(len(samples), split, self.accelerator.num_processes)
            KeyedSamples(samples, split, EVALUATION_SEED, views_of(self.task, training=False))

    def figures(
        self,
        model: OrderedModel,
        split: str,
        progress: Progress,
        image_scores: ImageScores | None = None,
        change: Change | None = None,
        image_losses: ImageScores | None = None,
    ) -> Figures:
        """The metrics of a split.

        Args:
            model: the model to evaluate.
            split: ``validation`` or ``test``.
            progress: the progress of training.
            image_scores: receives the scores of the split's images.
            change: applied to the model and random batches of images.
            image_losses: receives the losses of the split's images.
        """
        recipe, task = self.recipe, self.task
        samples = self.splits.validation if split == "validation" else self.splits.test
        loader = evaluation_loader(
            samples,
            self.context.kind,
            split,
            recipe.data.batch_size,
            recipe.data.workers,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            views_of(task, training=False),
            None if change is None else in_random_order(len(samples), recipe.seed),
        )
        return evaluate(
            model,
            task,
            loader,
            self.context,
            self.accelerator,
            progress,
            recipe.train.max_unreadable,
            image_scores,
            change,
            image_losses,
        )

    def summarize_order(self, model: OrderedModel) -> OrderSummary:
        """The policy's current order; for a dynamic policy, the consensus over the first validation images."""
        data, samples = self.recipe.data, self.splits.validation
        chosen = range(min(CONSENSUS_IMAGES, len(samples)))
        views = views_of(self.task, training=False)
        loader = evaluation_loader(
            samples, self.context.kind, "validation", data.batch_size, data.workers, views=views, chosen=chosen
        )
        with alone():
            return summarize_orders(model, model.policy, (self._prepared(batch) for batch in loader if len(batch)))

    def influence(self, model: OrderedModel, progress: Progress, images: int) -> SlotInfluence:
        """Influence of each slot on the loss over the first validation images, the same ones in every process.

        Raises:
            SeveralPassesError: if a step of the task reads its batch more than once.
            ReorderKitError: if none of the images can be read.
        """
        task, samples = self.task, self.splits.validation
        chosen = range(min(images, len(samples)))
        batch = load_batch(samples, self.context.kind, "validation", chosen, views_of(task, training=False))
        if not len(batch):
            raise ReorderKitError("influence is measured on validation images, but none could be read")
        with alone():
            return slot_influence(model, task, self._prepared(batch), progress)

    def _prepared(self, batch: Batch) -> Batch:
        return prepare(self.task, batch.to(self.accelerator.device), False, self.context)
