"""How good a model is on a split."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from reorder_kit.interfaces import Batch, PatchSequence, Proposal, Sample, Task, Unreadable
from reorder_kit.ordered_model import OrderedModel
from reorder_kit.training.batches import to_device
from reorder_kit.training.beside import Change
from reorder_kit.training.unreadable_images import UnreadableImages


class ImageScores:
    """What each image of a split scores, image by image, with images dealt out to processes as loaders do.

    Args:
        images: of the split.
    """

    def __init__(self, images: int) -> None:
        self._images = images
        self._scores: list[float] = []

    def add(self, scores: Float[Tensor, " batch"] | None) -> None:
        """The next batch of this process; None if the task scores no single image."""
        if scores is not None:
            self._scores += scores.tolist()

    def gather(self) -> NDArray[np.float32] | None:
        """The scores in the order of the split; None unless every image has one. Every process has to call it."""
        shares: list[list[float]] = gather_object([self._scores])
        if sum(map(len, shares)) < self._images:
            return None
        scores = np.empty(self._images, dtype=np.float32)
        for process, share in enumerate(shares):
            scores[process :: len(shares)] = share
        return scores


def evaluate(
    model: OrderedModel,
    task: Task,
    loader: DataLoader[Sample | Unreadable],
    classes: Sequence[str],
    accelerator: Accelerator,
    choose: Callable[[PatchSequence], Proposal] | None = None,
    max_unreadable: int | None = None,
    image_scores: ImageScores | None = None,
    change: Change | None = None,
) -> dict[str, Any]:
    """Mean loss, the task's metrics and the number of images, every image of every process counted once.

    Args:
        model: the model; put into evaluation mode, and back.
        task: what is measured.
        loader: this process's share of the split.
        classes: names of the classes.
        accelerator: adds up over processes.
        choose: proposes orders instead of the model itself.
        max_unreadable: images that may be unreadable; None for any number.
        image_scores: is given what each image of this process scores.
        change: gives the model and the batch that are evaluated instead; where no image is left, there are no metrics.

    Raises:
        ReorderKitError: if more are, or no image is left.
    """
    metrics = task.build_metrics(classes, accelerator.device)
    sums = torch.zeros(2, dtype=torch.float64, device=accelerator.device)
    unreadable = UnreadableImages(max_unreadable)
    was_training = model.training
    model.eval()
    with torch.no_grad(), accelerator.autocast():
        for loaded in loader:
            batch: Batch = to_device(loaded, accelerator.device)
            unreadable.add(batch.unreadable)
            if not len(batch):
                continue
            if change is None:
                outputs = model(batch.images, choose, batch.content).outputs
            else:
                changed, batch = change(model, batch)
                if not len(batch):
                    continue
                outputs = changed(batch.images, content=batch.content).outputs
            loss = task.loss_per_image(outputs, batch.targets)
            sums += torch.stack([loss.double().sum(), loss.new_tensor(len(batch), dtype=torch.float64)])
            metrics.update(outputs, batch.targets)
            if image_scores is not None:
                image_scores.add(task.score_per_image(outputs, batch.targets))
    model.train(was_training)
    loss_sum, images = accelerator.reduce(sums, reduction="sum").tolist()
    measured = metrics.compute() if images or change is None else {}
    figures = {"loss": loss_sum / max(1.0, images), "images": int(images), **measured}
    missing = unreadable.gather()
    return {**figures, "unreadable": missing} if missing else figures
