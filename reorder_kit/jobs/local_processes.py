"""Work in processes of this machine, each with its own share of the resources."""

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
"""How long a process may take to end before it is killed."""

SECONDS_BETWEEN_LOOKS = 1.0
"""How long it may take to notice a killed process."""

# Forking a process with threads may hang.
_SPAWN = multiprocessing.get_context("spawn")


class LocalProcesses(Generic[W]):
    """An executor whose processes do one unit of work after the other; a killed process is replaced.

    It is a reusable context. On exit, or when this process ends for any reason, its processes end as well, including
    those they have started, such as the workers of a data loader.

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
                "this operating system has no process groups, which are needed to end the processes of many runs",
                "use Linux or macOS, or train runs one by one with reorder-kit run",
            )
        self._parent_lives, this_end = _SPAWN.Pipe(duplex=False)
        self._resources.enter_context(self._parent_lives)
        self._resources.callback(self._end_workers)
        self._resources.enter_context(this_end)  # closed first, which tells the processes to end
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
        finally:  # a second stop must not wait
            for worker in workers:
                worker.kill()
            for worker in workers:
                worker.close()

    @property
    def free(self) -> int:
        """The number of idle processes."""
        return len(self._free)

    def start(self, work: Sequence[W]) -> None:
        """Give work to idle processes."""
        for each in work:
            slot = self._free.pop(0)
            worker = self._worker(slot)
            self._busy[worker] = each
            worker.give(each)

    def _worker(self, slot: Slot) -> _Worker:
        """An idle worker, or a new one."""
        idle = self._idle.get(slot, [])
        while idle:
            worker = idle.pop()
            if worker.process.is_alive():
                return worker
            worker.kill()
            worker.close()
        return _Worker(slot, self._parent_lives)

    def wait(self) -> list[Ended[W]]:
        """Wait until some work has ended; empty if none is running."""
        if not self._busy:
            return []
        while True:
            ready = wait([worker.connection for worker in self._busy], SECONDS_BETWEEN_LOOKS)
            # The connection of a killed worker stays open as long as processes that it forked are alive.
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
    """A process that leads its own group, and this end of the pipe to it."""

    def __init__(self, slot: Slot, parent_lives: Connection) -> None:
        self.slot = slot
        self.connection, end = _SPAWN.Pipe()
        self.process: BaseProcess = _SPAWN.Process(target=_work, args=(slot, end, parent_lives))
        resource_tracker.ensure_running()  # otherwise process.start() does it, which lets the signal through
        allowed = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            with without_main():
                self.process.start()  # inherits the blocked Ctrl-C
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, allowed)
        end.close()

    def give(self, work: Work) -> None:
        with suppress(BrokenPipeError, ConnectionResetError):  # the process has just ended: wait() will notice
            self.connection.send(work)

    def answer(self) -> tuple[Any, Failure | None] | None:
        """Receive the outcome of a unit of work; None if the process is gone, which is then closed."""
        is_alive = self.process.is_alive()
        if not is_alive:
            self.kill()  # kills what it has forked, so that the connection ends after what it has sent
        with suppress(EOFError, ConnectionResetError):
            if is_alive or self.connection.poll():
                answer: tuple[Any, Failure | None] = self.connection.recv()
                return answer
        self.process.join()  # not killed yet, so that its own exit code can be reported
        self.kill()
        self.close()
        return None

    def kill(self) -> None:
        """Kill the process and all that it has started."""
        assert self.process.pid is not None  # it has been started
        with suppress(ProcessLookupError, PermissionError):  # macOS raises the latter for a dead process
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()  # it may not have a group yet

    def close(self) -> None:
        """Wait until the process is gone."""
        self.process.join()
        self.connection.close()


@contextmanager
def without_main() -> Iterator[None]:
    """Keep a new process from importing the program that starts it, which it does not need.

    A script without ``if __name__ == "__main__"`` would run again in every process.
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
    return Failure(f"its process was ended by {ended_by}", "if it ran out of memory, try fewer --jobs")


def _work(slot: Slot, connection: Connection, parent_lives: Connection) -> None:
    """The main loop of a process."""
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
            connection.send((None, Failure(f"the outcome cannot be sent to another process: {error}")))


def _prepare_process(slot: Slot, parent_lives: Connection) -> None:
    os.setsid()  # its own group, which a terminal's Ctrl-C does not reach and which can be killed as a whole
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # if it is sent to all processes, the parent decides
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_end_with_parent, args=(parent_lives,), daemon=True).start()
    os.dup2(2, 1)  # standard output is for results, not for what plugins print while training
    if slot.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu  # torch reads it when it first uses a GPU
    if slot.threads is not None:
        import torch  # imported late so that a process without it starts at once

        torch.set_num_threads(slot.threads)


def _end_with_parent(parent_lives: Connection) -> None:
    """Wait until the other end of a pipe is closed, which the system does if the parent is killed.

    A surviving process would train the same run as its successor.
    """
    wait([parent_lives])
    os.killpg(0, signal.SIGKILL)  # kills this process and all that it has started
