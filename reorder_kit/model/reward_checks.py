"""Whether the rewards that a policy learns from are numbers."""

from __future__ import annotations

import torch
from jaxtyping import Bool
from torch import Tensor

from reorder_kit.errors import ComponentError
from reorder_kit.interfaces import InRunControl, StepResult, Task
from reorder_kit.model.order_checks import is_waited_for
from reorder_kit.model.task_checks import task_error


class RewardChecks:
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
        self._errors = [task_error(task, of_task, "give every image a finite reward")]
        if control is not None:
            reason = "the rewards that it gives in place of others hold NaN or infinity"
            self._errors.append(ComponentError("control", control.name, reason, "return finite rewards"))
        self._flaws: dict[int, Bool[Tensor, ""]] = {}

    def given(self, result: StepResult) -> StepResult:
        """A result of the task's step, as it is.

        Raises:
            ComponentError: if a reward is not finite.
        """
        loss = result.loss.detach().isfinite()
        rewards = torch.stack([each.reward.detach().isfinite() for each in result.passes]).all(dim=0)
        self._note(0, (loss & ~rewards).any())
        return result

    def disguised(self, reward: Tensor, instead: Tensor) -> Tensor:
        """What a control gives in place of a reward, as it is.

        Raises:
            ComponentError: if it is not finite where the reward is.
        """
        self._note(1, (reward.detach().isfinite() & ~instead.detach().isfinite()).any())
        return instead

    def settle(self) -> None:
        """Look at what was not looked at yet.

        Raises:
            ComponentError: if a reward was not finite.
        """
        flaws, self._flaws = self._flaws, {}
        for place, flaw in sorted(flaws.items()):
            if bool(flaw):
                raise self._errors[place]

    def _note(self, place: int, flaw: Bool[Tensor, ""]) -> None:
        self._flaws[place] = flaw | self._flaws[place] if place in self._flaws else flaw
        if is_waited_for(flaw.device):
            self.settle()
