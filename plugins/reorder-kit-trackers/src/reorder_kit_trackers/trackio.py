"""Trackio: runs in a local database, or in a Space of Hugging Face."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from contextvars import Context
from pathlib import Path
from typing import Any

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.interfaces import Status, TrackedRun, Tracker, TrackerOptions

reorder_kit_api = "1.0"


class Trackio(Tracker):
    """Trackio. Runs stay on this machine unless ``space`` names a Space of Hugging Face.

    The database lies where Trackio's environment variable TRACKIO_DIR says. Trackio knows runs by their names, so the
    id of a run is part of it.
    """

    name = "trackio"
    library = "trackio"
    install = "pip install trackio"

    class Options(TrackerOptions):
        project: str = Field("reorder-kit", min_length=1, description="project of the run")
        space: str | None = Field(
            None, pattern=r"^[\w.-]+(/[\w.-]+)?$", description="Space of Hugging Face to upload to; null: none"
        )

    def start(self, run: TrackedRun) -> None:
        """Begin or resume the run."""
        with _quiet():
            import trackio

            # Trackio ends the run that is open when another begins. A context of its own has none open.
            self._run: Any = Context().run(
                trackio.init,
                project=self.options.project,
                name=f"{run.name} {run.id[:8]}",
                group=run.group,
                space_id=self.options.space,
                config={**run.config, "kind": run.kind, "tags": list(self.options.tags)},
                resume="allow",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log an epoch, which is the step."""
        self._last = epoch
        self._run.log({"epoch": epoch, **figures}, step=epoch)

    def note(self, epoch: int, text: str) -> None:
        """An alert of Trackio."""
        with _quiet():
            self._run.alert(title="reorder-kit", text=text, step=epoch)

    def save(self, file: Path) -> None:
        """An artifact of the run."""
        self._run.log_artifact(file, name=f"{file.stem}-{self._run.name.rpartition(' ')[2]}", type=file.stem)

    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """Trackio has neither a summary nor a status: both are one more row, after the last epoch."""
        with _quiet():
            self._run.log({**summary, "status": status})
            self._run.finish()


@contextmanager
def _quiet() -> Iterator[None]:
    """What Trackio prints goes where messages go: standard output may be JSON."""
    with redirect_stdout(sys.stderr):
        yield


@hookimpl
def register_trackers() -> list[type[Tracker]]:
    """Register the tracker."""
    return [Trackio]
