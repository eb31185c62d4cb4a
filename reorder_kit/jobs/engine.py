"""The one engine for many runs: work is started as soon as it can be, and collected as it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, Protocol, Self, TypeVar

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.work import Ended, Failure, Work

W = TypeVar("W", bound=Work)


class Executor(Protocol, Generic[W]):
    """Where work is done: processes of this machine, or jobs of a cluster.

    A context, which may be entered again. When it is left, whatever is still at work for it is stopped.
    """

    def __enter__(self) -> Self: ...

    def __exit__(self, *raised: object) -> None: ...

    @property
    def free(self) -> int:
        """How many more pieces can be started now."""
        ...

    def start(self, work: Sequence[W]) -> None:
        """Start some, no more than are free."""
        ...

    def wait(self) -> list[Ended[W]]:
        """Wait until some have ended; nothing if there are none."""
        ...


def work_through(
    work: Sequence[W], executor: Executor[W], is_ready: Callable[[W], bool] = lambda work: True
) -> Iterator[Ended[W]]:
    """Do work, and give each piece as soon as it has ended. What fails stops no other.

    Args:
        work: the pieces, in the order in which they should be started.
        executor: where; it has been entered.
        is_ready: whether a piece need not wait for another. One that is never ready, as the other failed, is not done.
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
    """Do work, and give each piece with what came out of it as soon as it is finished.

    Args:
        work: the pieces.
        executor: where; it has been entered.

    Raises:
        ReorderKitError: for every piece that failed, once all others are finished.
    """
    failures: list[tuple[W, Failure]] = []
    for ended in work_through(work, executor):
        if ended.failure is None:
            yield ended.work, ended.outcome
        else:
            failures.append((ended.work, ended.failure))
    if failures:
        told = "\n".join(f"{work}: {failure.reason}\n{failure.details}".rstrip() for work, failure in failures)
        raise ReorderKitError(told, failures[0][1].hint)
