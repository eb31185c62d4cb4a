"""MLflow: runs in a folder, a database or on a tracking server."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from reorder_kit import hookimpl
from reorder_kit.interfaces import Status, TrackedRun, Tracker, TrackerOptions

reorder_kit_api = "1.0"
_STATUS: dict[Status, str] = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}
_ID = "reorder_kit.id"
_LONGEST_VALUE, _LONGEST_NAME, _MOST_PARAMS = 6_000, 250, 100
"""Of a parameter, in characters, and of one call, in parameters; longer values are refused by servers."""


class MLflow(Tracker):
    """MLflow. Runs are written to the folder ``mlruns`` unless ``tracking_uri`` says otherwise.

    The environment variable MLFLOW_TRACKING_URI is not asked: a recipe alone decides what leaves the machine.
    """

    name = "mlflow"
    library = "mlflow"
    install = "pip install mlflow-skinny"

    class Options(TrackerOptions):
        project: str = Field("reorder-kit", min_length=1, description="experiment of the run, in MLflow's words")
        tracking_uri: str = Field(
            "mlruns", min_length=1, description="folder, sqlite:///FILE (with all of mlflow), or address of a server"
        )

        @field_validator("tracking_uri")
        @classmethod
        def _has_no_secret(cls, value: str) -> str:
            if urlsplit(value).password is not None:
                raise ValueError(
                    "a recipe is written into run folders, so it must hold no password; "
                    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
                )
            # A folder is found again from any working directory.
            is_address = "://" in value or value.startswith("databricks")
            return value if is_address else str(Path(value).expanduser().absolute())

    def start(self, run: TrackedRun) -> None:
        """Begin the run, or find the one with its id."""
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # before it is imported
        if "://" not in self.options.tracking_uri or self.options.tracking_uri.startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 refuses folders otherwise
        from mlflow.tracking import MlflowClient

        self._client: Any = MlflowClient(tracking_uri=self.options.tracking_uri)
        project = self.options.project
        known = self._client.get_experiment_by_name(project)
        experiment = known.experiment_id if known else self._client.create_experiment(project)
        found = self._client.search_runs([experiment], f"tags.`{_ID}` = '{run.id}'") if run.is_resumed else []
        if found:
            self._run_id = found[0].info.run_id
            self._client.update_run(self._run_id, "RUNNING")
            return
        tags = {_ID: run.id, "group": run.group, "kind": run.kind, "headline": run.headline}
        tags |= {f"tag.{tag}": "true" for tag in self.options.tags}
        self._run_id = self._client.create_run(experiment, run_name=run.name, tags=tags).info.run_id
        self._log_params(run.config)

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log an epoch, which is the step."""
        self._log_metrics(figures, epoch)

    def note(self, epoch: int, text: str) -> None:
        """A tag of the run."""
        name = "".join(letter if letter.isalnum() or letter in " ._-/" else "-" for letter in text[:40])
        self._client.set_tag(self._run_id, f"note.epoch-{epoch}.{name}", text[:_LONGEST_VALUE])

    def save(self, file: Path) -> None:
        """An artifact of the run."""
        self._client.log_artifact(self._run_id, str(file))

    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """Close it."""
        self._log_metrics(summary, 0)
        self._client.set_terminated(self._run_id, _STATUS[status])

    def _log_metrics(self, figures: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(_allowed(name), float(value), now, step) for name, value in figures.items()]
        for first in range(0, len(metrics), 1000):
            self._client.log_batch(self._run_id, metrics=metrics[first : first + 1000])

    def _log_params(self, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(_allowed(name), str(value)[:_LONGEST_VALUE]) for name, value in _flat(config)]
        for first in range(0, len(params), _MOST_PARAMS):
            self._client.log_batch(self._run_id, params=params[first : first + _MOST_PARAMS])


def _flat(content: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """``{"data": {"name": "digits"}}`` as ``data.name``."""
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _allowed(name: str) -> str:
    """A name in the letters that MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-./ " else "-" for letter in name)[:_LONGEST_NAME]


@hookimpl
def register_trackers() -> list[type[Tracker]]:
    """Register the tracker."""
    return [MLflow]
