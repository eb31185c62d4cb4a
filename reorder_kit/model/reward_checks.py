"""Check that the rewards that a policy learns from are finite."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces import InRunControl, StepResult, Task
from reorder_kit.model.order_checks import is_waited_for
from reorder_kit.model.task_checks import task_error


class Flaws:
    """Mistakes in values on a device: raised at once on a CPU, and by :meth:`settle` on a GPU.

    Args:
        errors: the error for each mistake.
    """

    def __init__(self, errors: Sequence[ReorderKitError]) -> None:
        self._errors = errors
        self._flaws: dict[int, Bool[Tensor, ""]] = {}

    def note(self, place: int, flaw: Bool[Tensor, ""]) -> None:
        """Note whether a mistake was made.

        Args:
            place: index of its error.
            flaw: whether it was made.

        Raises:
            ReorderKitError: if it was made, and the value is on a CPU.
        """
        self._flaws[place] = flaw | self._flaws[place] if place in self._flaws else flaw
        if is_waited_for(flaw.device):
            self.settle()

    def settle(self) -> None:
        """Read the values of all pending checks.

        Raises:
            ReorderKitError: if a mistake was made.
        """
        flaws, self._flaws = self._flaws, {}
        for place, flaw in sorted(flaws.items()):
            if bool(flaw):
                raise self._errors[place]


class RewardChecks(Flaws):
    """Refuses rewards that are NaN or infinite: sorting and comparing them would work, but mean nothing.

    On a GPU, reading a value waits for all earlier work, so :meth:`settle` reads them every few steps and before
    anything is reported. If the image's loss is not finite either, the check of losses reports that training diverged.

    Args:
        task: the task that gives the rewards.
        control: the control that may replace them.
    """

    def __init__(self, task: Task, control: InRunControl | None) -> None:
        of_task = "its rewards hold NaN or infinity, while its losses are finite"
        errors: list[ReorderKitError] = [task_error(task, of_task, "give every image a finite reward")]
        if control is not None:
            reason = "the rewards that it gives instead hold NaN or infinity"
            errors.append(ComponentError("control", control.name, reason, "return finite rewards"))
        super().__init__(errors)

    def given(self, result: StepResult) -> StepResult:
        """Check the rewards of a step's result, and return it unchanged.

        Raises:
            ComponentError: if a reward is not finite.
        """
        loss = result.loss.detach().isfinite()
        rewards = torch.stack([each.reward.detach().isfinite() for each in result.passes]).all(dim=0)
        self.note(0, (loss & ~rewards).any())
        return result

    def disguised(self, reward: Tensor, instead: Tensor) -> Tensor:
        """Check the rewards that a control gives instead, and return them unchanged.

        Raises:
            ComponentError: if it is not finite where the reward is.
        """
        self.note(1, (reward.detach().isfinite() & ~instead.detach().isfinite()).any())
        return instead
