"""Weights & Biases: runs on disk, to be synced by hand, or on its server."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Status, TrackedRun, Tracker, TrackerOptions
from reorder_kit.interfaces.paths import HomePath

reorder_kit_api = "1.0"
_EXIT_CODES: dict[Status, int] = {"finished": 0, "failed": 1, "stopped": 130}
"""What W&B calls finished, and failed twice; it has no word for a run that a person stopped."""


class WeightsAndBiases(Tracker):
    """Weights & Biases. Nothing is uploaded unless ``mode`` is online; nobody is ever asked to log in.

    Offline runs lie in ``wandb/`` of the run folder; ``wandb sync`` uploads them. A resumed run has a folder for each
    part, all with the same id.
    """

    name = "wandb"
    library = "wandb"
    install = "pip install wandb"

    class Options(TrackerOptions):
        project: str = Field("reorder-kit", min_length=1, description="project of the run")
        entity: str | None = Field(None, min_length=1, description="user or team; null: that of the login")
        mode: Literal["offline", "online"] = Field("offline", description="write to disk, or upload while training")
        dir: HomePath | None = Field(None, description="folder in which wandb/ is made; null: the run folder")

    def start(self, run: TrackedRun) -> None:
        """Begin or resume the run."""
        # Reports of crashes go to W&B's own server, also offline, unless this is set before it is imported.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        if self.options.mode == "online":
            _require_login(wandb)
        self._id = run.id
        self._run = wandb.init(
            id=run.id,
            resume="allow",
            reinit="create_new",  # the run itself stays open while its controls are trained
            mode=self.options.mode,
            project=self.options.project,
            entity=self.options.entity,
            dir=self.options.dir or run.directory,
            name=run.name,
            group=run.group,
            job_type=run.kind,
            tags=self.options.tags,
            config=dict(run.config),
            settings=wandb.Settings(
                silent=True,
                console="off",  # what is printed is not captured, so that progress is shown as ever
                disable_code=True,
                disable_git=True,
                x_disable_meta=True,
                x_disable_machine_info=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )
        best = "max" if run.higher_is_better else "min"
        self._run.define_metric("epoch")
        self._run.define_metric("*", step_metric="epoch")
        self._run.define_metric(f"validation/{run.headline}", step_metric="epoch", summary=f"{best},last")

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Log an epoch, which is the step; W&B drops a step that it has."""
        self._run.log({"epoch": epoch, **figures}, step=epoch, commit=True)

    def note(self, epoch: int, text: str) -> None:
        """Put it into the summary, under its first words."""
        self._run.summary[f"notes/epoch {epoch}: {text[:40]}"] = text

    def save(self, file: Path) -> None:
        """The order is an artifact of the run; a picture is shown as one."""
        import wandb

        if file.suffix == ".png":
            self._run.summary[f"pictures/{file.stem}"] = wandb.Image(str(file))
            return
        artifact = wandb.Artifact(f"{file.stem}-{self._id}", type=file.stem)
        artifact.add_file(str(file))
        self._run.log_artifact(artifact)

    def finish(self, status: Status, summary: Mapping[str, float]) -> None:
        """Close it."""
        self._run.summary.update({**summary, "status": status})
        self._run.finish(exit_code=_EXIT_CODES[status])


def _require_login(wandb: Any) -> None:
    """W&B would ask for a key in a terminal, and wait.

    Raises:
        ReorderKitError: if nobody is logged in.
    """
    has_token = "WANDB_IDENTITY_TOKEN_FILE" in os.environ
    if not (has_token or wandb.setup().settings.api_key or wandb.api.api_key):
        raise ReorderKitError(
            "nobody is logged in to Weights & Biases",
            "run `wandb login` first, set WANDB_API_KEY, or use mode: offline",
        )


@hookimpl
def register_trackers() -> list[type[Tracker]]:
    """Register the tracker."""
    return [WeightsAndBiases]
