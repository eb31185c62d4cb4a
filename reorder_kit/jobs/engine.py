"""The engine for many runs: it starts work as soon as possible and collects it as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.work import Ended, Failure, Work

W = TypeVar("W", bound=Work)


class Executor(Protocol, Generic[W]):
    """An executor of work: processes of this machine, or cluster jobs.

    It is a reusable context. On exit, all unfinished work is stopped.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    @property
    def free(self) -> int:
        """The number of units that can be started now."""
        ...

    def start(self, work: Sequence[W]) -> None:
        """Start units of work, no more than are free."""
        ...

    def wait(self) -> list[Ended[W]]:
        """Wait until some units have ended; empty if none are running."""
        ...


def work_through(
    work: Sequence[W], executor: Executor[W], is_ready: Callable[[W], bool] = lambda work: True
) -> Iterator[Ended[W]]:
    """Do work and yield each unit as soon as it has ended. A failure does not stop the others.

    Args:
        work: the units, in the order in which to start them.
        executor: the executor, already entered.
        is_ready: whether a unit need not wait for another. A unit that never becomes ready, because the other one
            failed, is not done.
    """
    waiting = list(work)
    while True:
        places = [place for place, each in enumerate(waiting) if is_ready(each)][: executor.free]
        if places:
            executor.start([waiting[place] for place in places])
            waiting = [each for place, each in enumerate(waiting) if place not in places]
        ended = executor.wait()
        if not ended:
            return
        yield from ended


def outcomes(work: Sequence[W], executor: Executor[W]) -> Iterator[tuple[W, Any]]:
    """Do work and yield each unit with its outcome as soon as it is finished.

    Args:
        work: the units.
        executor: the executor, already entered.

    Raises:
        ReorderKitError: naming every unit that failed, once all others are finished.
    """
    failures: list[tuple[W, Failure]] = []
    for ended in work_through(work, executor):
        if ended.failure is None:
            yield ended.work, ended.outcome
        else:
            failures.append((ended.work, ended.failure))
    if failures:
        reasons = "\n".join(f"{work}: {failure.reason}\n{failure.details}".rstrip() for work, failure in failures)
        raise ReorderKitError(reasons, failures[0][1].hint)
