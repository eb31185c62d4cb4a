"""Runs of a study in processes of this machine."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from types import TracebackType

from reorder_kit.jobs.training import Training, train
from reorder_kit.jobs.worker_processes import Processes, Slot


class LocalTrainers:
    """Processes that train a run each. To be used as a context.

    Args:
        slots: one for each process.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._processes: Processes[Training] = Processes(train, slots)

    def __enter__(self) -> LocalTrainers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._processes.__exit__(kind, error, trace)

    @property
    def free(self) -> int:
        """Processes that have nothing to do."""
        return self._processes.free

    def start(self, trainings: Sequence[Training]) -> None:
        """Start some."""
        for training in trainings:
            self._processes.start(training)

    def wait(self) -> list[tuple[Training, str | None]]:
        """Wait until some have ended."""
        return [(ended.work, _reason(ended.exit_code, ended.error)) for ended in self._processes.wait()]


def _reason(exit_code: int | None, error: Exception | None) -> str | None:
    if error is not None:
        return f"{type(error).__name__}: {error}"
    if exit_code is None:
        return None
    how = signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"
    return f"its process was ended by {how}; if memory was short, try fewer --jobs"
