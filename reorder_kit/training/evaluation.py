"""Evaluate a model on a split."""

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
"""Prefix for the names of parts of the loss, which may have any name."""


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
    """Mean loss and its parts, the task's metrics and the number of images, with each image of all processes once.

    The loss comes from the task's step, as in training.

    Args:
        model: the model, which reads in its own order; put into evaluation mode, and back.
        task: the task.
        loader: this process's share of the split.
        context: what is known about the run.
        accelerator: sums over processes.
        progress: the progress of training.
        max_unreadable: most images that may be unreadable; None for any number.
        image_scores: receives the score of each image of this process.
        change: returns the model and the batch to evaluate instead; if no image is left, there are no metrics.
        image_losses: receives the loss of each image of this process.

    Raises:
        ReorderKitError: if too many images are unreadable, no image is left, the number of losses differs from that of
            images, or the headline metric is missing.
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
        """Whether there is something to count. Each of several processes needs an image, because tasks may gather."""
        if self._accelerator.num_processes == 1:
            return len(batch) > 0
        sizes = self._accelerator.gather(torch.tensor([len(batch)], device=self._accelerator.device))
        if 0 < int((sizes > 0).sum()) < len(sizes):
            raise ReorderKitError(
                "a process could not read any of its images in an evaluation batch",
                "repair or remove unreadable images, or evaluate in one process",
            )
        return len(batch) > 0

    def all_have_images(self, batch: Batch) -> bool:
        """Whether every process has an image left; a batch counts in all of them or in none."""
        if self._accelerator.num_processes == 1:
            return len(batch) > 0
        sizes = self._accelerator.gather(torch.tensor([len(batch)], device=self._accelerator.device))
        return bool((sizes > 0).all())

    def add(self, name: str, values: torch.Tensor) -> None:
        """Count a batch."""
        total = values.double().sum()
        self._sums[name] = self._sums[name] + total if name in self._sums else total

    def means(self) -> tuple[dict[str, float], int]:
        """The means over the images of all processes, and the number of these images."""
        values = [*self._sums.values(), torch.tensor(self.images, dtype=torch.float64, device=self._accelerator.device)]
        *totals, images = self._accelerator.reduce(torch.stack(values), reduction="sum").tolist()
        return {name: total / max(1.0, images) for name, total in zip(self._sums, totals, strict=True)}, int(images)
