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
"""How a run ended: with a result, stopped by a person or the system, or with an error."""


class TrackerOptions(ComponentOptions):
    """Options that every tracker has."""

    group: str | None = Field(
        None, min_length=1, description="group of the run and its controls; null: the name of the run"
    )
    tags: tuple[str, ...] = Field((), max_length=100, description="tags to find the run by")
    files: Literal["none", "order", "pictures"] = Field(
        "order", description="files to store: order.json, or (pictures) also the pictures in the run folder"
    )


@dataclass(frozen=True)
class TrackedRun:
    """A run, as described to its trackers.

    Args:
        id: the run's id, 16 hexadecimal digits, which stays the same after a resume and is unique.
        name: the recipe's name, with ``/<control>`` for a control and ``/search`` for its search.
        group: the group of the run and its controls.
        kind: the run itself, a control, or a search.
        is_resumed: whether this tracker has seen the run before.
        directory: the run folder.
        config: the resolved recipe and where the run is trained, as plain data.
        headline: the metric by which the task is judged.
        higher_is_better: whether a higher headline is better.
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

    Each run, and each of its controls, has its own tracker object; several may be open at once, in the main process
    only. Every method gets copies. A tracker that raises is reported once for each method, and the run continues; a
    tracker that fails to start is not called again.

    Further options go into a nested ``Options`` that derives from :class:`TrackerOptions`. They are written into the
    run folder, so they must not include passwords or keys.

    Args:
        options: the options of the recipe.
    """

    kind = Kind("tracker", "trackers")
    Options = TrackerOptions
    library: ClassVar[str] = ""
    """The module that must be importable; ``validate`` and ``run`` refuse a recipe if it is missing."""
    install: ClassVar[str] = ""
    """The command that installs it."""

    def __init__(self, options: Any = None) -> None:
        self.options: Any = self.Options() if options is None else options

    @abstractmethod
    def start(self, run: TrackedRun) -> None:
        """Begin to log a run, or resume one that was stopped, without logging anything twice."""

    @abstractmethod
    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log the figures of an epoch, counted from 1.

        Names are as in ``validation/top1``. Epochs ascend, and none comes twice, even after a resume.
        """

    def note(self, epoch: int, text: str) -> None:
        """Log something worth knowing, such as images that could not be read. Does nothing unless overridden.

        Args:
            epoch: the epoch during or after which it was found; 0 before the first.
            text: a sentence.
        """

    def save(self, file: Path) -> None:
        """Store a file of the run folder. Does nothing unless overridden."""

    @abstractmethod
    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """Called when the run has ended.

        Args:
            status: how it ended. A run that was stopped or failed may be resumed; for a killed run, this is not called.
            summary: figures of the whole run, as in ``test/top1``; empty unless it is finished.
        """

    @classmethod
    def declares(cls) -> dict[str, str]:
        """The library, for ``describe``."""
        return {"needs": f"{cls.library} ({cls.install})"} if cls.library else {}
