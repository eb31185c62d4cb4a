"""Units of work and their outcomes, for processes of this machine and cluster jobs alike."""

from __future__ import annotations

import gc
import traceback
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from reorder_kit.errors import ReorderKitError, error_of_machine
from reorder_kit.host.plugin_errors import naming_plugins
from reorder_kit.host.plugin_host import PluginHost

PICTURES = ("events.pictures", "events.tensorboard")
"""Plugins whose pictures are not needed for many runs."""


class Work(Protocol):
    """A unit of work, such as a run. It is pickled to reach its process, and ``str`` gives its name."""

    def train(self, host: PluginHost) -> Any:
        """Do the work.

        Args:
            host: the plugins of the process.

        Returns:
            The outcome as plain data.
        """
        ...


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Failure:
    """Why a unit of work failed.

    Args:
        reason: what went wrong.
        hint: what to do about it.
        details: the traceback of an unexpected error, in a plugin or in this package.
    """

    reason: str
    hint: str | None = None
    details: str = ""

    @classmethod
    def of(cls, error: Exception) -> Failure:
        """Describe the error that stopped the work."""
        explained = error_of_machine(error) or error
        details = "".join(traceback.format_exception(error))
        if isinstance(explained, ReorderKitError):
            return cls(explained.message, explained.hint, "" if explained.__cause__ is None else details)
        return cls(f"{type(error).__name__}: {error}", details=details)

    def __str__(self) -> str:
        return str(ReorderKitError(self.reason, self.hint))


@dataclass(frozen=True)
class Ended(Generic[W]):
    """The end of a unit of work.

    Args:
        work: the unit.
        outcome: the outcome.
        failure: why it failed; None if it finished.
    """

    work: W
    outcome: Any = None
    failure: Failure | None = None


def do_work(work: Work) -> tuple[Any, Failure | None]:
    """Do a unit of work with the installed plugins; return its outcome, or why it failed."""
    try:
        return _do(work)
    finally:
        gc.collect()  # frees the GPU memory of this run's model for the next run of this process


def _do(work: Work) -> tuple[Any, Failure | None]:
    try:
        host = PluginHost.from_environment(PICTURES)
        with naming_plugins(host):
            return work.train(host), None
    except Exception as error:  # a plugin's error must not stop the other runs
        return None, Failure.of(error)
