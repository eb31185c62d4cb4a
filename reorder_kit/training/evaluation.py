"""How good a model is on a split."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch.utils.data import DataLoader

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, Model, Sample, Task, TaskContext, Unreadable
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import metrics_of, prepare, require_figures, take_step
from reorder_kit.runs.figures import Figures
from reorder_kit.training.beside import Change
from reorder_kit.training.image_scores import ImageScores
from reorder_kit.training.reading_log import ReadingLog

PART = "part "
"""Stands before the names of parts of the loss, which may be called anything."""


def evaluate(
    model: OrderedModel,
    task: Task,
    loader: DataLoader[Sample | Unreadable],
    context: TaskContext,
    accelerator: Accelerator,
    progress: Progress,
    max_unreadable: int | None = None,
    image_scores: ImageScores | None = None,
    change: Change | None = None,
    image_losses: ImageScores | None = None,
) -> Figures:
    """Mean loss and its parts, the task's metrics and the number of images, each of all processes counted once.

    The loss is that of the task's step, as in training.

    Args:
        model: the model, which reads in its own order; put into evaluation mode, and back.
        task: what is measured.
        loader: this process's share of the split.
        context: what is known of the run.
        accelerator: adds up over processes.
        progress: where training stands.
        max_unreadable: images that may be unreadable; None for any number.
        image_scores: is given what each image of this process scores.
        change: gives the model and the batch that are evaluated instead; where no image is left, there are no metrics.
        image_losses: is given the loss of each image of this process.

    Raises:
        ReorderKitError: if more are, no image is left, the task has another number of losses than images, or no figure
            for its headline.
    """
    metrics = metrics_of(task, context)
    sums = _Sums(accelerator)
    log = ReadingLog(max_unreadable)
    was_training = model.training
    model.train(False)
    with torch.no_grad(), accelerator.autocast():
        for loaded in loader:
            log.add(loaded)
            if not sums.has_images(loaded):
                continue
            batch = prepare(task, loaded.to(accelerator.device), False, context)
            read: Model = model
            if change is not None:
                read, batch = change(model, batch)
                if not sums.all_have_images(batch):
                    continue
            result = take_step(task, read, batch, progress)
            sums.add("loss", result.loss)
            if image_losses is not None:
                image_losses.add(result.loss)
            for name, part in result.parts.items():
                sums.add(f"{PART}{name}", part)
            sums.images += len(batch)
            predictions = task.predict(read, batch, result)
            metrics.update(predictions, batch)
            if image_scores is not None:
                image_scores.add(task.score_per_image(predictions, batch))
    model.train(was_training)
    means, images = sums.means()
    loss = means.pop("loss", 0.0)
    parts = {name.removeprefix(PART): mean for name, mean in means.items()}
    is_measured = bool(images) or change is None
    measured = metrics.compute() if is_measured else {}
    require_figures(measured, task, headline=is_measured)
    return Figures.of(loss, parts, images, measured, *log.gather())


class _Sums:
    """Sums over images by name."""

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._sums: dict[str, torch.Tensor] = {}
        self.images = 0

    def has_images(self, batch: Batch) -> bool:
        """Whether there is something to count. Of several processes each needs an image, since tasks may gather."""
        if self._accelerator.num_processes == 1:
            return len(batch) > 0
        sizes = self._accelerator.gather(torch.tensor([len(batch)], device=self._accelerator.device))
        if 0 < int((sizes > 0).sum()) < len(sizes):
            raise ReorderKitError(
                "a process could read none of its images of an evaluation batch",
                "repair or remove unreadable images, or evaluate on one process",
            )
        return len(batch) > 0

    def all_have_images(self, batch: Batch) -> bool:
        """Whether every process has an image left; a batch counts on all of them or on none."""
        if self._accelerator.num_processes == 1:
            return len(batch) > 0
        sizes = self._accelerator.gather(torch.tensor([len(batch)], device=self._accelerator.device))
        return bool((sizes > 0).all())

    def add(self, name: str, values: torch.Tensor) -> None:
        """Count a batch."""
        total = values.double().sum()
        self._sums[name] = self._sums[name] + total if name in self._sums else total

    def means(self) -> tuple[dict[str, float], int]:
        """The mean over the images of all processes, and how many these are."""
        values = [*self._sums.values(), torch.tensor(self.images, dtype=torch.float64, device=self._accelerator.device)]
        *totals, images = self._accelerator.reduce(torch.stack(values), reduction="sum").tolist()
        return {name: total / max(1.0, images) for name, total in zip(self._sums, totals, strict=True)}, int(images)
