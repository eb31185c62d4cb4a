"""An executor without processes, which would take seconds to start."""

import pickle
from typing import Generic, TypeVar

from reorder_kit.jobs.work import Ended, Failure, do_work

W = TypeVar("W")


class InThisProcess(Generic[W]):
    """Runs pieces of work, a given number at a time, passing each as another process would receive it.

    Pieces marked as lost are dropped, as by a killed process. ``done`` names all pieces.
    """

    def __init__(self, at_a_time=1, lost=()):
        self._at_a_time, self._lost = at_a_time, lost
        self._running = []
        self.done = []

    def __enter__(self):
        return self

    def __exit__(self, *raised):
        assert raised[0] is not None or not self._running
        self._running = []

    @property
    def free(self):
        return self._at_a_time - len(self._running)

    def start(self, work):
        assert len(work) <= self.free
        self._running += work

    def wait(self):
        ended, self._running = [self._do(work) for work in self._running], []
        return ended

    def _do(self, work):
        self.done.append(str(work))
        if str(work) in self._lost:
            return Ended(work, failure=Failure("its process was ended by SIGKILL"))
        return Ended(work, *do_work(pickle.loads(pickle.dumps(work))))
