"""The interface of an experiment tracker."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from reorder_kit.interfaces.component import Component, ComponentOptions, Kind

Status = Literal["finished", "stopped", "failed"]
"""How a run ended: with a result, by a person or the system, or by an error."""


class TrackerOptions(ComponentOptions):
    """Options that every tracker has."""

    group: str | None = Field(
        None, min_length=1, description="what the run and its controls are grouped under; null: the name of the run"
    )
    tags: tuple[str, ...] = Field((), max_length=100, description="words to find the run by")
    files: Literal["none", "order", "pictures"] = Field(
        "order", description="files to store: order.json, or (pictures) also the pictures in the run folder"
    )


@dataclass(frozen=True)
class TrackedRun:
    """A run, as its trackers are told of it.

    Args:
        id: of the run, 16 hexadecimal digits: the same after a resume, and no other run's.
        name: the recipe's name, with ``/<control>`` for a control trained beside it and ``/search`` for its search.
        group: what the run and its controls are grouped under.
        kind: what the run is: the run itself, a control, or a search.
        is_resumed: this tracker has been told of the run before.
        directory: the run folder.
        config: the resolved recipe and where the run is trained, as plain data.
        headline: the metric that stands for the others.
        higher_is_better: whether a higher headline is a better one.
    """

    id: str
    name: str
    group: str
    kind: Literal["run", "control", "search"]
    is_resumed: bool
    directory: Path
    config: Mapping[str, Any]
    headline: str
    higher_is_better: bool


class Tracker(Component, ABC):
    """Logs one run to an experiment tracker, such as a web service or a database.

    A complete plugin::

        import json
        from reorder_kit import hookimpl
        from reorder_kit.interfaces import Tracker

        class JsonLines(Tracker):
            \"""A file of JSON lines in the run folder.\"""

            name = "json-lines"

            def start(self, run):
                self.path = run.directory / "tracked.jsonl"
                if not run.is_resumed:
                    self.write(config=run.config)

            def log(self, epoch, figures):
                self.write(epoch=epoch, **figures)

            def finish(self, status, summary):
                self.write(status=status, **summary)

            def write(self, **line):
                with self.path.open("a") as file:
                    file.write(json.dumps(line) + "\\n")

        @hookimpl
        def register_trackers():
            return [JsonLines]

    Each run, and each control beside it, has an object of its own; several may be open at once. Only the main process
    has any. Everything is called with copies. A tracker that raises is reported once for each method, and the run goes
    on; one that fails to start is told nothing more.

    Further options go into a nested ``Options`` that derives from :class:`TrackerOptions`. They are written into the
    run folder: a password or a key must not be one of them.

    Args:
        options: the options of the recipe.
    """

    kind = Kind("tracker", "trackers")
    Options = TrackerOptions
    library: ClassVar[str] = ""
    """The module that has to be importable; ``validate`` and ``run`` refuse a recipe where it is missing."""
    install: ClassVar[str] = ""
    """The command that installs it."""

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options() if options is None else options

    @abstractmethod
    def start(self, run: TrackedRun) -> None:
        """Begin to log a run, or go on with one that was stopped, of which nothing may be logged twice."""

    @abstractmethod
    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures of an epoch, counted from 1.

        Names are as in ``validation/top1``. No epoch comes twice, and they ascend, also over a resume.
        """

    def note(self, epoch: int, text: str) -> None:
        """Log something worth knowing, such as images that could not be read. Does nothing unless overridden.

        Args:
            epoch: during or after which it was found; 0 before the first.
            text: a sentence.
        """

    def save(self, file: Path) -> None:
        """Store a file of the run folder. Does nothing unless overridden."""

    @abstractmethod
    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """The run has ended.

        Args:
            status: how. A run that is stopped or has failed may be resumed; one that was killed never gets here.
            summary: figures of the whole run, as in ``test/top1``; empty unless it is finished.
        """

    @classmethod
    def declares(cls) -> dict[str, str]:
        """The library, for ``describe``."""
        return {"needs": f"{cls.library} ({cls.install})"} if cls.library else {}
