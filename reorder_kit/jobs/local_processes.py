"""Work in processes of this machine, each with its own share of it."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, Generic, Self, TypeVar

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.slots import Slot
from reorder_kit.jobs.work import Ended, Failure, Work, do_work

W = TypeVar("W", bound=Work)

SECONDS_TO_END = 2.0
"""How long a process that has been told to end may take before it is killed."""

SECONDS_BETWEEN_LOOKS = 1.0
"""How long it may take until a killed process is noticed."""

# A fork of a process that has threads may hang.
_SPAWN = multiprocessing.get_context("spawn")


class LocalProcesses(Generic[W]):
    """Processes that do one piece of work after the other; one that is killed is replaced.

    A context, which may be entered again. When it is left, or this process ends in whatever way, they end too, and so
    do the processes that they have started, such as the workers of a data loader.

    Args:
        slots: one for each process.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._free = list(slots)
        self._idle: dict[Slot, list[_Worker]] = {}
        self._busy: dict[_Worker, W] = {}
        self._resources = ExitStack()

    def __enter__(self) -> Self:
        if not (hasattr(os, "setsid") and hasattr(signal, "pthread_sigmask")):
            raise ReorderKitError(
                "this operating system has no groups of processes, without which those of many runs cannot be ended",
                "use Linux or macOS, or train runs one by one with reorder-kit run",
            )
        self._parent_lives, this_end = _SPAWN.Pipe(duplex=False)
        self._resources.enter_context(self._parent_lives)
        self._resources.callback(self._end_workers)
        self._resources.enter_context(this_end)  # closed first of all: that tells the processes to end
        return self

    def __exit__(self, *raised: object) -> None:
        self._resources.close()

    def _end_workers(self) -> None:
        workers = [*self._busy, *(worker for workers in self._idle.values() for worker in workers)]
        self._free += [worker.slot for worker in self._busy]
        self._busy, self._idle = {}, {}
        try:
            until = time.monotonic() + SECONDS_TO_END
            for worker in workers:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:  # whoever stops this process once more does not want to wait
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.close()

    @property
    def free(self) -> int:
        """Processes that have nothing to do."""
        return len(self._free)

    def start(self, work: Sequence[W]) -> None:
        """Give work to free processes."""
        for each in work:
            slot = self._free.pop(0)
            worker = self._worker(slot)
            self._busy[worker] = each
            worker.give(each)

    def _worker(self, slot: Slot) -> _Worker:
        """One that has nothing to do, or a new one."""
        idle = self._idle.get(slot, [])
        while idle:
            worker = idle.pop()
            if worker.process.is_alive():
                return worker
            worker.kill()
            worker.close()
        return _Worker(slot, self._parent_lives)

    def wait(self) -> list[Ended[W]]:
        """Wait until some work has ended; nothing if there is none."""
        if not self._busy:
            return []
        while True:
            ready = wait([worker.connection for worker in self._busy], SECONDS_BETWEEN_LOOKS)
            # The connection of a killed worker stays open while processes live that it has forked.
            ended = [each for each in self._busy if each.connection in ready or not each.process.is_alive()]
            if ended:
                return [self._collect(worker) for worker in ended]

    def _collect(self, worker: _Worker) -> Ended[W]:
        work = self._busy.pop(worker)
        self._free.append(worker.slot)
        answer = worker.answer()
        if answer is None:
            return Ended(work, failure=_of_process(worker.process.exitcode))
        self._idle.setdefault(worker.slot, []).append(worker)
        return Ended(work, *answer)


class _Worker:
    """A process that leads a group of its own, and the end of the pipe to it."""

    def __init__(self, slot: Slot, parent_lives: Connection) -> None:
        self.slot = slot
        self.connection, end = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(target=_work, args=(slot, end, parent_lives))
        resource_tracker.ensure_running()  # process.start() would, which lets the signal through
        allowed = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with without_main():
                self.process.start()  # which inherits that Ctrl-C has to wait
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        end.close()

    def give(self, work: Work) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # it has just ended: wait() will see that
            self.connection.send(work)

    def answer(self) -> tuple[Any, Failure | None] | None:
        """What has come back of a piece of work; None if the process is gone, which is then closed."""
        is_alive = self.process.is_alive()
        if not is_alive:
            self.kill()  # what it has forked, so that the connection ends with what it has sent
        with suppress(EOFError, ConnectionResetError):
            if is_alive or self.connection.poll():
                answer: tuple[Any, Failure | None] = self.connection.recv()
                return answer
        self.process.join()  # not killed yet: how it ends by itself is to be told
        self.kill()
        self.close()
        return None

    def kill(self) -> None:
        """End it at once, with all that it has started."""
        assert self.process.pid is not None  # it was started
        with suppress(ProcessLookupError, PermissionError):  # the latter is what macOS says of a dead process
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may have no group yet

    def close(self) -> None:
        """Wait until it is gone."""
        self.process.join()
        self.connection.close()


@contextmanager
def without_main() -> Iterator[None]:
    """Keep a process that starts from importing the program that starts it, of which it needs nothing.

    A script without ``if __name__ == "__main__"`` would begin anew in every process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _of_process(exit_code: int | None) -> Failure:
    ended_by = f"exit code {exit_code}"
    if exit_code is not None and exit_code < 0:
        ended_by = signal.Signals(-exit_code).name
    return Failure(f"its process was ended by {ended_by}", "if memory was short, try fewer --jobs")


def _work(slot: Slot, connection: Connection, parent_lives: Connection) -> None:
    """What a process does all its life."""
    _prepare_process(slot, parent_lives)
    while True:
        try:
            work = connection.recv()
        except EOFError:
            return
        answer: tuple[Any, Failure | None] = do_work(work)
        try:
            connection.send(answer)
        except (pickle.PicklingError, AttributeError, TypeError) as error:
            connection.send((None, Failure(f"what came out cannot be sent to another process: {error}")))


def _prepare_process(slot: Slot, parent_lives: Connection) -> None:
    os.setsid()  # a group of its own, which a terminal's Ctrl-C does not reach, and which is ended as a whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # from whoever sends it to all processes: the first one decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, args=(parent_lives,), daemon=True).start()
    os.dup2(2, 1)  # standard output is for results, whatever plugins print while they train
    if slot.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu  # torch looks when it first uses a GPU
    if slot.threads is not None:
        import torch  # not above, since a process that does not need it starts at once

        torch.set_num_threads(slot.threads)


def _end_with_parent(parent_lives: Connection) -> None:
    """Wait until the other end of a pipe is closed, which the system does where the parent was killed.

    A process that lived on would train what its successor trains.
    """
    wait([parent_lives])
    os.killpg(0, signal.SIGKILL)  # this process, and all that it has started
