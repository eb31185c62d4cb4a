"""Whether the rewards that a policy learns from are numbers."""

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
    """Mistakes in values on a device, told at once on the CPU. On a GPU, :meth:`settle` looks at them.

    Args:
        errors: what is said of each mistake.
    """

    def __init__(self, errors: Sequence[ReorderKitError]) -> None:
        self._errors = errors
        self._flaws: dict[int, Bool[Tensor, ""]] = {}

    def note(self, place: int, flaw: Bool[Tensor, ""]) -> None:
        """Note whether a mistake was made.

        Args:
            place: of its error.
            flaw: whether it was.

        Raises:
            ReorderKitError: if it was, and looking costs nothing.
        """
        self._flaws[place] = flaw | self._flaws[place] if place in self._flaws else flaw
        if is_waited_for(flaw.device):
            self.settle()

    def settle(self) -> None:
        """Look at what was not looked at yet.

        Raises:
            ReorderKitError: if a mistake was made.
        """
        flaws, self._flaws = self._flaws, {}
        for place, flaw in sorted(flaws.items()):
            if bool(flaw):
                raise self._errors[place]


class RewardChecks(Flaws):
    """Refuses rewards that are NaN or infinite: sorting and comparing them would go on, and mean nothing.

    On a GPU, to look at a value is to wait for everything before it: there :meth:`settle` does, every few steps and
    before anything is reported. A reward of an image whose loss is not finite either is left to the check of losses,
    which says that training diverged.

    Args:
        task: what gives the rewards.
        control: what may disguise them.
    """

    def __init__(self, task: Task, control: InRunControl | None) -> None:
        of_task = "its rewards hold NaN or infinity, while its losses are finite"
        errors: list[ReorderKitError] = [task_error(task, of_task, "give every image a finite reward")]
        if control is not None:
            reason = "the rewards that it gives in place of others hold NaN or infinity"
            errors.append(ComponentError("control", control.name, reason, "return finite rewards"))
        super().__init__(errors)

    def given(self, result: StepResult) -> StepResult:
        """A result of the task's step, as it is.

        Raises:
            ComponentError: if a reward is not finite.
        """
        loss = result.loss.detach().isfinite()
        rewards = torch.stack([each.reward.detach().isfinite() for each in result.passes]).all(dim=0)
        self.note(0, (loss & ~rewards).any())
        return result

    def disguised(self, reward: Tensor, instead: Tensor) -> Tensor:
        """What a control gives in place of a reward, as it is.

        Raises:
            ComponentError: if it is not finite where the reward is.
        """
        self.note(1, (reward.detach().isfinite() & ~instead.detach().isfinite()).any())
        return instead
