"""Runs of a study in parallel processes of one thread each."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any, Protocol, TypeVar

from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.worker_processes import Processes, Slot

PICTURES = ("events.pictures", "events.tensorboard")
"""Plugins that draw what nobody will look at."""


def host_without_pictures() -> PluginHost:
    """The plugins of the environment, without those that draw."""
    return PluginHost.from_environment(PICTURES)


class Trainable(Protocol):
    """A run that a process can be given."""

    def train(self, host: PluginHost) -> dict[str, Any]:
        """Train it; what came out, as plain data."""
        ...


R = TypeVar("R", bound=Trainable)


def train_all(runs: Sequence[R], jobs: int) -> Iterator[tuple[R, dict[str, Any]]]:
    """Train runs in processes of one thread each, and give each with its outcome as soon as it is finished.

    Args:
        runs: what to train.
        jobs: processes.

    Raises:
        ReorderKitError: if a training could not go on; all others are finished first.
    """
    failed: ReorderKitError | None = None
    left = deque(runs)
    with Processes[R](_train, [Slot(threads=1)] * min(jobs, len(runs))) as processes:
        while True:
            while left and processes.free:
                processes.start(left.popleft())
            ended = processes.wait()
            if not ended:
                break
            for each in ended:
                if each.exit_code is not None:
                    raise ReorderKitError("a training process was killed", "if memory was short, try fewer --jobs")
                if isinstance(each.error, ReorderKitError):
                    failed = failed or each.error
                elif each.error is not None:
                    raise each.error
                else:
                    yield each.work, each.outcome
    if failed:
        raise failed


def _train(run: Trainable) -> dict[str, Any]:
    try:
        return run.train(host_without_pictures())
    except ReorderKitError as error:
        raise ReorderKitError(f"{run}: {error.message}", error.hint) from None
