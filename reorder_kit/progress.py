"""Where a run stands, in the one unit of every schedule: optimiser steps."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Progress:
    """The optimiser step that is about to be taken.

    Args:
        step: steps taken so far, from 0.
        steps_per_epoch: steps in an epoch.
        epochs: epochs of the whole run.
        stream: a number that is different in every step of every process of a run. Whatever draws at random seeds its
            generator with it, so that a run which was stopped draws the same when it goes on.
        shared_stream: the same, but one number for all processes: for draws that they have to agree on.
    """

    step: int
    steps_per_epoch: int
    epochs: int
    stream: int = 0
    shared_stream: int = 0

    @property
    def epoch(self) -> float:
        """Epochs behind us, with the fraction of the current one."""
        return self.step / self.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return self.epochs * self.steps_per_epoch
