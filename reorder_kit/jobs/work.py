"""A piece of work, and what becomes of it: what the processes of this machine and the jobs of a cluster do alike."""

from __future__ import annotations

import gc
import traceback
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from reorder_kit.errors import ReorderKitError, error_of_machine
from reorder_kit.host.plugin_errors import naming_plugins
from reorder_kit.host.plugin_host import PluginHost

PICTURES = ("events.pictures", "events.tensorboard")
"""Plugins that draw what nobody will look at."""


class Work(Protocol):
    """A piece of work, such as a run. It is pickled to reach its process, and its name is the string of it."""

    def train(self, host: PluginHost) -> Any:
        """Do it.

        Args:
            host: the plugins of the process.

        Returns:
            What came out, as plain data.
        """
        ...


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Failure:
    """Why a piece of work is not finished.

    Args:
        reason: what went wrong.
        hint: what to do about it.
        details: the traceback of what nobody expected, in the code of a plugin or in this package.
    """

    reason: str
    hint: str | None = None
    details: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """What an error that stopped the work says."""
        told = error_of_machine(error) or error
        details = "".join(traceback.format_exception(error))
        if isinstance(told, ReorderKitError):
            return cls(told.message, told.hint, "" if told.__cause__ is None else details)
        return cls(f"{type(error).__name__}: {error}", details=details)

    def __str__(self) -> str:
        return str(ReorderKitError(self.reason, self.hint))


@dataclass(frozen=True)
class Ended(Generic[W]):
    """What became of a piece of work.

    Args:
        work: the piece.
        outcome: what came out.
        failure: why it is not finished; None if it is.
    """

    work: W
    outcome: Any = None
    failure: Failure | None = None


def do_work(work: Work) -> tuple[Any, Failure | None]:
    """Do a piece of work with the plugins of the environment: its outcome, or why there is none."""
    try:
        return _do(work)
    finally:
        gc.collect()  # the next run of this process shall not find the memory of a GPU taken by this one's model


def _do(work: Work) -> tuple[Any, Failure | None]:
    try:
        host = PluginHost.from_environment(PICTURES)
        with naming_plugins(host):
            return work.train(host), None
    except Exception as error:  # a plugin's mistake must not stop the other runs
        return None, Failure.of(error)
