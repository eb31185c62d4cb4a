"""The progress of a run in optimizer steps, the unit of every schedule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Phase = Literal["warm-up", "search", "hardened"]


@dataclass(frozen=True)
class Progress:
    """The optimizer step that is about to be taken.

    Args:
        step: steps taken so far, from 0.
        steps_per_epoch: steps in an epoch.
        epochs: epochs of the whole run; a fraction if it ends within an epoch.
        stream: a number that is different in every step of every process of a run. Seed generators with it, so that a
            stopped run draws the same numbers when it resumes.
        shared_stream: the same, but one number for all processes: for draws that they must share.
        phase: ``warm-up`` while the order is still the starting order, ``search`` while it is being learned, and
            ``hardened`` once it is fixed for good.
        share: share of the search that is done, from 0 to 1.
        phase_step: steps taken so far in this phase, from 0.
    """

    step: int
    steps_per_epoch: int
    epochs: float
    stream: int = 0
    shared_stream: int = 0
    phase: Phase = "search"
    share: float = 0.0
    phase_step: int = 0

    @property
    def epoch(self) -> float:
        """Epochs so far, including the fraction of the current one."""
        return self.step / self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return round(self.epochs * self.steps_per_epoch)
