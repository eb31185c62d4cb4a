"""The loss of an epoch: its mean, those of its parts, and the first step at which it was NaN or infinite."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from accelerate import Accelerator
from jaxtyping import Float
from torch import Tensor

NEVER = 2**62


class EpochLoss:
    """The loss is kept on the device until it is read, so that no step waits for it.

    Args:
        accelerator: combines the processes.
    """

    def __init__(self, accelerator: Accelerator) -> None:
        self._accelerator = accelerator
        self._sum = torch.zeros((), dtype=torch.float64, device=accelerator.device)
        self._parts: dict[str, Tensor] = {}
        self._unchecked: list[tuple[int, Tensor]] = []
        self.images = 0

    def add(
        self,
        step: int,
        loss: Float[Tensor, " batch"],
        parts: Mapping[str, Float[Tensor, " batch"]],
        total: Float[Tensor, ""],
    ) -> None:
        """Count a batch.

        Args:
            step: the optimizer step that it belongs to, from 0.
            loss: the loss of each image, without gradient.
            parts: parts of that loss, the same ones in every batch.
            total: what was minimized, including the policy's part, without gradient.
        """
        self._sum += loss.double().sum()
        for name, part in parts.items():
            self._parts[name] = self._parts.get(name, 0.0) + part.detach().double().sum()
        self._unchecked.append((step, total))
        self.images += len(loss)

    def mean_of_process(self) -> float:
        """The mean loss per image so far, in this process."""
        return float(self._sum) / max(1, self.images)

    def mean(self) -> float:
        """The mean loss per image so far, over all processes."""
        sums = torch.stack([self._sum, self._sum.new_tensor(self.images)])
        total, images = self._accelerator.reduce(sums, reduction="sum").tolist()
        return float(total) / max(1.0, float(images))

    def parts(self) -> dict[str, float]:
        """The mean of each part of the loss so far, over all processes."""
        if not self._parts:
            return {}
        sums = torch.stack([*self._parts.values(), self._sum.new_tensor(self.images)])
        *totals, images = self._accelerator.reduce(sums, reduction="sum").tolist()
        return {name: float(total) / max(1.0, images) for name, total in zip(self._parts, totals, strict=True)}

    def first_bad_step(self) -> int | None:
        """The first step since the last call with a NaN or infinite loss in some process; None if there was none."""
        first = torch.full((1,), NEVER, device=self._sum.device)
        if self._unchecked:
            steps, totals = zip(*self._unchecked, strict=True)
            is_bad = ~torch.isfinite(torch.stack(totals))
            first = torch.tensor(steps, device=first.device).where(is_bad, first).min().reshape(1)
            self._unchecked.clear()
        step = int(self._accelerator.gather(first).min())
        return None if step == NEVER else step
