"""Tasks that change another task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from torch import Tensor, nn

from reorder_kit.interfaces.annotation import Annotation
from reorder_kit.interfaces.answer import Answer, Threshold
from reorder_kit.interfaces.backbone import Backbone, BackboneFacts
from reorder_kit.interfaces.batch import Batch
from reorder_kit.interfaces.component import ComponentOptions
from reorder_kit.interfaces.control import Control
from reorder_kit.interfaces.model import Model
from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.interfaces.task import Metrics, StepResult, Task
from reorder_kit.interfaces.task_context import TaskContext

if TYPE_CHECKING:
    from reorder_kit.interfaces.training_data import TrainingData


class TaskWrapper(Task):
    """Everything that another task does; override what should differ and call ``self.inner`` for the rest.

    A recipe names the inner task as an option, a :class:`~reorder_kit.interfaces.Part`::

        from pydantic import Field
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import ComponentOptions, Part, StepResult, Task, TaskWrapper

        class Scaled(TaskWrapper):
            \"""A task with its loss multiplied.\"""

            name = "scaled"

            class Options(ComponentOptions):
                inner: Part[Task] = Field(description="the task")
                factor: float = Field(2.0, gt=0, description="what the loss is multiplied by")

            def __init__(self, options):
                super().__init__(options, options.inner.build())

            def step(self, model, batch, progress):
                result = self.inner.step(model, batch, progress)
                return StepResult(self.options.factor * result.loss, result.outputs, result.passes, result.parts)

        @hookimpl
        def register_tasks():
            return [Scaled]

    Args:
        options: the wrapper's options.
        inner: the task to change.
    """

    class_facts = MappingProxyType({})  # an instance has those of its inner task

    def __init__(self, options: ComponentOptions, inner: Task) -> None:
        super().__init__(options)
        self.inner = inner
        self.target_kinds = inner.target_kinds
        self.headline, self.higher_is_better, self.margin = inner.headline, inner.higher_is_better, inner.margin
        self.is_dense = inner.is_dense

    def views(self, training: bool) -> int:
        """Those of the inner task."""
        return self.inner.views(training)

    def controls(self) -> Sequence[Control]:
        """Those of the inner task."""
        return self.inner.controls()

    def check(self, facts: BackboneFacts, policy: Policy) -> None:
        """As the inner task does."""
        self.inner.check(facts, policy)

    def fit(self, training: TrainingData) -> Mapping[str, Any]:
        """As the inner task does."""
        return self.inner.fit(training)

    def build_head(self, context: TaskContext) -> nn.Module:
        """That of the inner task."""
        return self.inner.build_head(context)

    def build_state(self, context: TaskContext, backbone: Backbone, head: nn.Module) -> nn.Module | None:
        """That of the inner task."""
        return self.inner.build_state(context, backbone, head)

    def prepare(self, batch: Batch, training: bool, context: TaskContext) -> Batch:
        """As the inner task does."""
        return self.inner.prepare(batch, training, context)

    def step(self, model: Model, batch: Batch, progress: Progress) -> StepResult:
        """As the inner task does."""
        return self.inner.step(model, batch, progress)

    def predict(self, model: Model, batch: Batch, result: StepResult | None = None) -> Any:
        """As the inner task does."""
        return self.inner.predict(model, batch, result)

    def build_metrics(self, context: TaskContext) -> Metrics:
        """Those of the inner task."""
        return self.inner.build_metrics(context)

    def score_per_image(self, predictions: Any, batch: Batch) -> Float[Tensor, " batch"] | None:
        """As the inner task does."""
        return self.inner.score_per_image(predictions, batch)

    def annotate_predictions(self, predictions: Any, context: TaskContext) -> Sequence[Annotation]:
        """As the inner task does."""
        return self.inner.annotate_predictions(predictions, context)

    def annotate_targets(self, batch: Batch, context: TaskContext) -> Sequence[Annotation]:
        """As the inner task does."""
        return self.inner.annotate_targets(batch, context)

    def answers(self, predictions: Any, context: TaskContext) -> Sequence[Answer]:
        """As the inner task does."""
        return self.inner.answers(predictions, context)

    def threshold(self) -> Threshold | None:
        """That of the inner task."""
        return self.inner.threshold()

    def after_step(self, model: Model, results: Sequence[StepResult], progress: Progress) -> None:
        """As the inner task does."""
        self.inner.after_step(model, results, progress)

    def model_for_evaluation(self, model: Model) -> Model:
        """As the inner task does."""
        return self.inner.model_for_evaluation(model)
