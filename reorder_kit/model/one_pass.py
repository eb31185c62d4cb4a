"""A task's step, with what it read in its single pass over the batch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Batch, StepResult, Task
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import take_step
from reorder_kit.orders.sequence import PatchSequence


class SeveralPassesError(ReorderKitError):
    """A step reads its batch more than once, or never, so its loss cannot be attributed to slots or patches."""


@dataclass(frozen=True)
class OnePass:
    """A step and what it read.

    Args:
        result: the step's result.
        sequence: the patches in their slots; those that the task hides from the backbone are marked invalid.
    """

    result: StepResult
    sequence: PatchSequence


def one_pass(
    model: OrderedModel, task: Task, batch: Batch, progress: Progress, differentiable: bool = False
) -> OnePass:
    """Take a step of a task in evaluation.

    Args:
        model: the model, in evaluation mode.
        task: the task.
        batch: a prepared batch.
        progress: the progress of the run.
        differentiable: make the patches leaves, so that the loss can be differentiated with respect to them.

    Raises:
        SeveralPassesError: if the step does not read the batch exactly once.
    """
    seen: list[PatchSequence] = []

    def watch(sequence: PatchSequence) -> PatchSequence:
        if differentiable:
            sequence = sequence.with_patches(sequence.patches.detach().requires_grad_())
        seen.append(sequence)
        return sequence

    result = take_step(task, model.watched(watch), batch, progress)
    if len(seen) != 1:
        raise SeveralPassesError(
            f"a step of {task.name} reads its batch {len(seen)} times, but this is defined only for a single reading"
        )
    return OnePass(result, seen[0])


@contextmanager
def evaluating(model: OrderedModel) -> Iterator[None]:
    """Put the model in evaluation mode, and restore its mode afterward."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)
