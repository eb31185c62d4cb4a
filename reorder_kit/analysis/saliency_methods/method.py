"""The interface of the methods."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor

from reorder_kit.interfaces import Batch, Order, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel


class SaliencyMethod(ABC):
    """A measure of how much each patch of an image matters to a model. Patches of one image can be compared.

    Every method has a name, and ``about``: what it measures, in a few words.
    """

    name: ClassVar[str]
    about: ClassVar[str]

    @abstractmethod
    def measure(
        self, model: OrderedModel, task: Task, batch: Batch, order: Order, progress: Progress
    ) -> Float[Tensor, "batch patch"]:
        """The saliency of row-major patches, from 0.

        Args:
            model: the model, in evaluation mode.
            task: computes the loss in its step.
            batch: prepared images with targets, on the model's device.
            order: the order in which the model reads them, instead of its own.
            progress: the step of training.

        Raises:
            ReorderKitError: if the method does not apply to such a model or task.
        """
