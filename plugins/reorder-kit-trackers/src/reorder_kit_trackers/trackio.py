"""Trackio: runs in a local database or a Hugging Face Space."""

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
    """Trackio. Runs stay on this machine unless ``space`` names a Hugging Face Space.

    Trackio's environment variable TRACKIO_DIR sets the location of the database. Trackio identifies runs by name, so
    the name includes the id of the run.
    """

    name = "trackio"
    library = "trackio"
    install = "pip install trackio"

    class Options(TrackerOptions):
        project: str = Field("reorder-kit", min_length=1, description="project of the run")
        space: str | None = Field(
            None, pattern=r"^[\w.-]+(/[\w.-]+)?$", description="Hugging Face Space to upload to; null: none"
        )

    def start(self, run: TrackedRun) -> None:
        """Begin or resume the run."""
        with _quiet():
            import trackio

            # Trackio ends the open run when another begins; a fresh context has no open run.
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
        """Log an epoch; the epoch is the step."""
        self._last = epoch
        self._run.log({"epoch": epoch, **figures}, step=epoch)

    def note(self, epoch: int, text: str) -> None:
        """Send an alert to Trackio."""
        with _quiet():
            self._run.alert(title="reorder-kit", text=text, step=epoch)

    def save(self, file: Path) -> None:
        """Add an artifact to the run."""
        self._run.log_artifact(file, name=f"{file.stem}-{self._run.name.rpartition(' ')[2]}", type=file.stem)

    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """Trackio has neither a summary nor a status, so both are logged as a row after the last epoch."""
        with _quiet():
            self._run.log({**summary, "status": status})
            self._run.finish()


@contextmanager
def _quiet() -> Iterator[None]:
    """Redirect what Trackio prints to standard error, since standard output may be JSON."""
    with redirect_stdout(sys.stderr):
        yield


@hookimpl
def register_trackers() -> list[type[Tracker]]:
    """Register the tracker."""
    return [Trackio]
