"""Check the types and shapes of what a task returns, at each call and at almost no cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import Batch, Metrics, Model, StepResult, Task, TaskContext
from reorder_kit.interfaces.progress import Progress


def take_step(task: Task, model: Model, batch: Batch, progress: Progress) -> StepResult:
    """Take a step of a task, and check its result.

    Args:
        task: the task.
        model: reads the batch.
        batch: a prepared batch.
        progress: the progress of the run.

    Raises:
        ComponentError: if it does not return a loss and a reward for each image.
    """
    result: Any = task.step(model, batch, progress)
    if not isinstance(result, StepResult):
        raise task_error(task, f"a step gave a {type(result).__name__}", "return StepResult(loss, outputs, passes)")
    named = {"loss": result.loss, **{f"part {name}": part for name, part in result.parts.items()}}
    named |= {f"reward of pass {number}": each.reward for number, each in enumerate(result.passes)}
    for name, values in named.items():
        if not isinstance(values, Tensor) or values.shape != (len(batch),):
            found = f"of shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"as {type(values).__name__}"
            reason = f"gave {name} {found} for {len(batch)} images"
            raise task_error(task, reason, "a step returns one value for each image")
    return result


def prepare(task: Task, batch: Batch, training: bool, context: TaskContext) -> Batch:
    """Let a task prepare a batch.

    Args:
        task: the task.
        batch: on the model's device.
        training: whether it is for training, not for evaluation.
        context: what is known about the run.

    Raises:
        ComponentError: if it returns something else.
    """
    prepared: Any = task.prepare(batch, training, context)
    if not isinstance(prepared, Batch):
        raise task_error(task, f"prepare gave a {type(prepared).__name__}", "return the batch, or a changed one")
    return prepared


def views_of(task: Task, training: bool) -> int:
    """How many further views of each sample a task wants.

    Raises:
        ComponentError: if it returns no valid number.
    """
    views: Any = task.views(training)
    if not isinstance(views, int) or views < 0:
        raise task_error(task, f"views gave {views!r}", "return how many, 0 for none")
    return views


def head_of(task: Task, context: TaskContext) -> nn.Module:
    """The head of a task.

    Raises:
        ComponentError: if it is not a module.
    """
    head: Any = task.build_head(context)
    if not isinstance(head, nn.Module):
        raise task_error(task, f"build_head gave a {type(head).__name__}", "return a torch module")
    return head


def require_state(state: Any, task: Task) -> None:
    """Check that the state of a task is a module, or None.

    Raises:
        ComponentError: if it is something else.
    """
    if state is not None and not isinstance(state, nn.Module):
        raise task_error(task, f"build_state gave a {type(state).__name__}", "return a torch module, or None")


def metrics_of(task: Task, context: TaskContext) -> Metrics:
    """New metrics of a task.

    Raises:
        ComponentError: if they cannot be updated and computed.
    """
    metrics: Any = task.build_metrics(context)
    if not isinstance(metrics, Metrics):
        reason = f"build_metrics gave a {type(metrics).__name__}"
        raise task_error(task, reason, "return an object with update and compute")
    return metrics


def require_figures(figures: Any, task: Task, headline: bool) -> None:
    """Check that metrics are numbers, and that the headline is finite.

    Args:
        figures: the computed metrics.
        task: the task.
        headline: whether the headline is required; it is not if no image was left.

    Raises:
        ComponentError: if they are not.
    """
    if not isinstance(figures, Mapping):
        raise task_error(task, f"its metrics gave a {type(figures).__name__}", "compute returns numbers by name")
    for name, value in figures.items():
        by_class = value.values() if isinstance(value, Mapping) else [value]
        wrong = next((each for each in by_class if each is not None and not _is_number(each)), None)
        if wrong is not None or not isinstance(name, str):
            reason = f"its metric {name!r} holds a {type(wrong).__name__}"
            raise task_error(task, reason, "compute returns plain numbers by name, such as float(value)")
    judged_by: Any = figures.get(task.headline)
    if headline and not _is_number(judged_by):
        raise task_error(
            task,
            f"its metrics hold no number for its headline {task.headline!r}",
            "compute the headline with the other metrics, as a float",
        )
    if headline and not math.isfinite(judged_by):
        raise task_error(
            task, f"its headline {task.headline!r} is {judged_by}", "a run is judged by it, so it must be finite"
        )


def task_error(task: Task, reason: str, hint: str | None = None) -> ComponentError:
    """The error for a mistake of a task."""
    return ComponentError(task.kind.name, task.name, reason, hint)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
