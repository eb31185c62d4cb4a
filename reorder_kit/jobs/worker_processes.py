"""Processes side by side, each with its own share of the machine."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from types import TracebackType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Slot:
    """What a process may use.

    Args:
        threads: of torch; None for as many as torch takes.
        gpu: the only GPU that the process sees, as in CUDA_VISIBLE_DEVICES; None for all there are.
    """

    threads: int | None = None
    gpu: str | None = None


@dataclass(frozen=True)
class Ended(Generic[T]):
    """What became of a piece of work.

    Args:
        work: what was to be done.
        outcome: what came out.
        error: what was raised.
        exit_code: that of the process, if it ended before the work did; negative for a signal.
    """

    work: T
    outcome: Any = None
    error: Exception | None = None
    exit_code: int | None = None


class Processes(Generic[T]):
    """Processes that are given one piece of work after the other; one that is killed is replaced.

    They end with this process, also where it is killed. To be used as a context.

    Args:
        function: does a piece of work; found by its name in the processes.
        slots: one for each process.
    """

    def __init__(self, function: Callable[[T], Any], slots: Sequence[Slot]) -> None:
        self._function = function
        self._idle = list(slots)
        self._idle_workers: dict[Slot, list[_Worker]] = {}
        self._busy: dict[_Worker, T] = {}

    def __enter__(self) -> Processes[T]:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for worker in [*self._busy, *(worker for workers in self._idle_workers.values() for worker in workers)]:
            worker.stop()

    @property
    def free(self) -> int:
        """Processes that have nothing to do."""
        return len(self._idle)

    def start(self, work: T) -> None:
        """Give work to a free process."""
        slot = self._idle.pop(0)
        waiting = self._idle_workers.get(slot)
        worker = waiting.pop() if waiting else _Worker(self._function, slot)
        self._busy[worker] = work
        worker.connection.send(work)

    def wait(self) -> list[Ended[T]]:
        """Wait until some work has ended; nothing if there is none."""
        if not self._busy:
            return []
        ready = wait([worker.connection for worker in self._busy])
        return [self._collect(worker) for worker in list(self._busy) if worker.connection in ready]

    def _collect(self, worker: _Worker) -> Ended[T]:
        work = self._busy.pop(worker)
        self._idle.append(worker.slot)
        try:
            outcome, error = worker.connection.recv()
        except (EOFError, ConnectionResetError):
            worker.process.join()
            return Ended(work, exit_code=worker.process.exitcode)
        self._idle_workers.setdefault(worker.slot, []).append(worker)
        return Ended(work, outcome, error)


class _Worker:
    """A process, and the end of the pipe to it."""

    def __init__(self, function: Callable[[Any], Any], slot: Slot) -> None:
        self.slot = slot
        # A fork of a process that has threads may hang.
        context = multiprocessing.get_context("spawn")
        self.connection, end = context.Pipe()
        self.process: BaseProcess = context.Process(target=_work, args=(function, slot, end))
        self.process.start()
        end.close()

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.join()


def _work(function: Callable[[Any], Any], slot: Slot, connection: Connection) -> None:
    """What a process does all its life."""
    _prepare_process(slot)
    while True:
        try:
            work = connection.recv()
        except EOFError:
            return
        try:
            answer: tuple[Any, Exception | None] = function(work), None
        except Exception as error:
            error.add_note("".join(traceback.format_exception(error)))
            answer = None, error
        connection.send(answer)


def _prepare_process(slot: Slot) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # ends without a word; the process that speaks is the first one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.dup2(2, 1)  # standard output is for results, whatever plugins print while they train
    if slot.gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = slot.gpu  # torch looks when it first uses a GPU
    if slot.threads is not None:
        import torch  # not above, since a process that does not need it starts at once

        torch.set_num_threads(slot.threads)


def _end_with_parent() -> None:
    """A process that is killed cannot stop those it has started; they would train what its successor trains."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def slots_for(jobs: int | None, gpus: Sequence[str]) -> list[Slot]:
    """The slots for so many processes: one for each GPU if no number is given, else as many as are asked for.

    Several processes have one thread each, since more threads than cores wait for each other.

    >>> [slot.gpu for slot in slots_for(None, ["0", "1"])]
    ['0', '1']
    >>> slots_for(2, [])
    [Slot(threads=1, gpu=None), Slot(threads=1, gpu=None)]

    Args:
        jobs: processes; None for one for each GPU, or one.
        gpus: names of the GPUs, as in CUDA_VISIBLE_DEVICES.
    """
    count = jobs or max(1, len(gpus))
    if count == 1:
        return [Slot()]
    return [Slot(threads=1, gpu=gpus[number % len(gpus)] if gpus else None) for number in range(count)]


def visible_gpus(environment: Mapping[str, str], count: int) -> list[str]:
    """Names of the GPUs that this process sees, as in CUDA_VISIBLE_DEVICES.

    >>> visible_gpus({"CUDA_VISIBLE_DEVICES": "2,5"}, count=2)
    ['2', '5']

    Args:
        environment: of this process.
        count: GPUs that torch sees.
    """
    given = [name.strip() for name in environment.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    return given[:count] if given else [str(number) for number in range(count)]
