"""The interface of a task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.annotation import Annotation
from reorder_kit.interfaces.answer import Answer, Threshold
from reorder_kit.interfaces.backbone import Backbone, BackboneFacts
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.class_fact import WORDS, YES_OR_NO, ClassFact
from reorder_kit.interfaces.component import Component, ComponentOptions, Kind
from reorder_kit.interfaces.control import Control
from reorder_kit.interfaces.model import Model
from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.interfaces.passes import Pass
from reorder_kit.interfaces.progress import Progress
from reorder_kit.interfaces.target_kind import TARGET_KINDS, TargetKind
from reorder_kit.interfaces.task_context import TaskContext

if TYPE_CHECKING:
    from reorder_kit.interfaces.training_data import TrainingData


@dataclass(frozen=True)
class StepResult:
    """The result of a step of a task.

    Args:
        loss: the loss of each image.
        outputs: what :meth:`Task.predict` turns into predictions.
        passes: each reading of the batch in an order of the policy, with its reward; the policy learns from them.
        parts: parts of the loss, such as a second term; they are averaged and logged.

    Raises:
        ReorderKitError: if the loss is not one value per image, or passes are missing.
    """

    loss: Float[Tensor, " batch"]
    outputs: Any
    passes: tuple[Pass, ...]
    parts: Mapping[str, Float[Tensor, " batch"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.loss.ndim != 1:
            raise ReorderKitError(
                f"a step gave a loss of shape {tuple(self.loss.shape)}",
                "return the loss of each image, as with reduction='none'",
            )
        if not self.passes:
            raise ReorderKitError(
                "a step gave no pass", "add Pass(output.proposals, reward) for each reading of a batch"
            )

    @property
    def reward(self) -> Float[Tensor, " batch"]:
        """The mean reward of each image over the passes."""
        first, *others = (each.reward for each in self.passes)
        return torch.stack([first, *others]).mean(dim=0) if others else first


@runtime_checkable
class Metrics(Protocol):
    """Metrics over a whole split, collected batch by batch on every process, with each image counted once."""

    def update(self, predictions: Any, batch: Batch) -> None:
        """Count a batch."""
        ...

    def compute(self) -> dict[str, Any]:
        """The metrics over all processes: numbers, or numbers by class name, None for classes without examples."""
        ...


class Task(Component, ABC):
    """Head, loss, reward and metrics.

    A complete plugin, which tells whether an image is upright by looking at it twice::

        import torch
        from torch import nn
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import NONE, Pass, StepResult, Task, gather_images

        class LinearHead(nn.Module):
            def __init__(self, dim):
                super().__init__()
                self.linear = nn.Linear(dim, 1)

            def forward(self, features):
                return self.linear(features.summary()).squeeze(1)

        class Hits:
            def __init__(self):
                self.hits = []

            def update(self, predictions, batch):
                self.hits.append((predictions > 0).float())

            def compute(self):
                hits, _ = gather_images(torch.cat(self.hits))  # those of all processes
                return {"accuracy": float(hits.mean())}

        class Upright(Task):
            \"""Score an image higher than its mirror image, upside down.\"""

            name = "upright"
            target_kinds = (NONE,)
            headline = "accuracy"

            def build_head(self, context):
                return LinearHead(context.facts.dim)

            def prepare(self, batch, training, context):
                return batch.with_prepared(flipped=batch.images.flip(-2))

            def step(self, model, batch, progress):
                upright, flipped = model(batch), model(batch.with_images(batch.prepared["flipped"]))
                gap = upright.outputs - flipped.outputs
                loss = nn.functional.softplus(-gap)
                passes = tuple(Pass(each.proposals, -loss.detach()) for each in (upright, flipped))
                return StepResult(loss, gap, passes)

            def build_metrics(self, context):
                return Hits()

        @hookimpl
        def register_tasks():
            return [Upright]

    A task with one pass and a target for each image is best written as a
    :class:`~reorder_kit.interfaces.supervised_task.SupervisedTask`; a task that changes another, as a
    :class:`~reorder_kit.interfaces.task_wrapper.TaskWrapper`.

    A task declares, as attributes of the class or, if they depend on options, of the instance:

    * ``target_kinds``: the targets it can learn from, the preferred first. A source with none of them is refused.
    * ``headline``: the metric by which it is judged.
    * ``higher_is_better``: whether a higher headline is better.
    * ``margin``: the smallest difference in the headline that matters; the default of studies.
    * ``is_dense``: whether its head needs an output for every place. Then soft learners use hard orders in the forward
      pass (straight-through) unless a recipe says otherwise.

    Args:
        options: the options of the recipe; the defaults if not given.
    """

    kind = Kind("task", "tasks")
    target_kinds: tuple[TargetKind, ...]
    headline: str
    higher_is_better: bool = True
    margin: float = 0.01
    is_dense: bool = False
    class_facts = MappingProxyType(
        {
            "target_kinds": TARGET_KINDS,
            "headline": WORDS,
            "higher_is_better": YES_OR_NO,
            "margin": ClassFact("a number from 0", lambda value: type(value) in (int, float) and value >= 0),
            "is_dense": YES_OR_NO,
        }
    )

    def __init__(self, options: ComponentOptions | None = None) -> None:
        self.options = self.Options() if options is None else options

    @classmethod
    def declares(cls) -> dict[str, str]:
        """Its target kinds, its headline, and whether it is dense; a wrapper has these only once built."""
        if not {"target_kinds", "headline"} <= {name for each in cls.__mro__ for name in vars(each)}:
            return {"target kinds": "depend on its options"}
        return {
            "target kinds": ", ".join(map(str, cls.target_kinds)),
            "headline": f"{cls.headline}, {'higher' if cls.higher_is_better else 'lower'} is better",
            "dense": "yes" if cls.is_dense else "no",
        }

    def views(self, training: bool) -> int:
        """The number of further views of each sample in a batch.

        Args:
            training: whether the batch is for training or for an evaluation.
        """
        return 0

    def controls(self) -> Sequence[Control]:
        """Controls that only this task has, in addition to those of the package."""
        return ()

    def check(self, facts: BackboneFacts, policy: Policy) -> None:
        """Refuse what this task cannot work with; see :mod:`reorder_kit.interfaces.requirements`.

        Called before data is loaded if the data source knows its image shape, and again before training.

        Args:
            facts: what the backbone declares.
            policy: the policy that the learner builds from the identity.

        Raises:
            ReorderKitError: if something does not fit; the message says what, and what would fit.
        """

    def fit(self, training: TrainingData) -> Mapping[str, Any]:
        """What must be known about the training data before anything is built, such as a vocabulary; plain JSON data.

        Called once, on one process. A resumed run reads it from the run folder.
        """
        return {}

    @abstractmethod
    def build_head(self, context: TaskContext) -> nn.Module:
        """The module that turns :class:`Features` into outputs."""

    def build_state(self, context: TaskContext, backbone: Backbone, head: nn.Module) -> nn.Module | None:
        """A module that no optimizer touches: a teacher, a center, a queue.

        It is kept in evaluation mode, excluded from weight averaging, saved and resumed, and built again when a run
        trains new weights. ``step`` reads it; only ``after_step`` changes it.

        Args:
            context: what is known about the run.
            backbone: the backbone at the beginning of training; copy it to keep it.
            head: the head, likewise.
        """
        return None

    def prepare(self, batch: Batch, training: bool, context: TaskContext) -> Batch:
        """Draw all randomness of the task, such as masks and mixup, with ``batch.random``, before any search.

        This way, two orders are compared on the same masks. Tensors go into ``batch.prepared``.

        Args:
            batch: the batch, on the model's device.
            training: whether the batch is for a training step or an evaluation.
            context: what is known about the run.
        """
        return batch

    @abstractmethod
    def step(self, model: Model, batch: Batch, progress: Progress) -> StepResult:
        """The only place where a loss is computed, in training, evaluation, influence and saliency.

        It draws no random numbers and changes nothing.

        Args:
            model: reads the batch, in its own or in given orders.
            batch: the prepared batch.
            progress: the current step of the run.
        """

    def predict(self, model: Model, batch: Batch, result: StepResult | None = None) -> Any:
        """Predictions for metrics and pictures. It works without targets.

        Args:
            model: the model.
            batch: the images.
            result: the result of a step on the same batch, if there was one.
        """
        return model(batch).outputs if result is None else result.outputs

    @abstractmethod
    def build_metrics(self, context: TaskContext) -> Metrics:
        """New, empty metrics."""

    def score_per_image(self, predictions: Any, batch: Batch) -> Float[Tensor, " batch"] | None:
        """Each image's contribution to the headline metric, if that is a mean over images; None if it is not.

        Studies use it to resample images.
        """
        return None

    def annotate_predictions(self, predictions: Any, context: TaskContext) -> Sequence[Annotation]:
        """Each image's prediction, for drawing; empty if there is nothing to show."""
        return ()

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """Each image's target, for drawing next to it; empty if there is nothing to show."""
        return ()

    def answers(self, predictions: Any, context: TaskContext) -> Sequence[Answer]:
        """Each image's prediction, for programs; empty, the default, if there are none for single images."""
        return ()

    def threshold(self) -> Threshold | None:
        """The lowest probability or score that is reported; None if every answer is."""
        return None

    def after_step(self, model: Model, results: Sequence[StepResult], progress: Progress) -> None:
        """Update the state, after the optimizer has taken a step.

        With several processes, each sees its own results; keep the state equal everywhere, for example with
        :func:`~reorder_kit.interfaces.gather_images`.

        Args:
            model: the model with its new weights.
            results: the results of the batches of this step, on this process.
            progress: the step that was taken.
        """
        return

    def model_for_evaluation(self, model: Model) -> Model:
        """The model that evaluation, transfer and export use, such as the teacher; rewards use the student."""
        return model
