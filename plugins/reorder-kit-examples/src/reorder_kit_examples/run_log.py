"""Run log: a line of plain text for each epoch, in ``run.log`` of the run folder."""

from __future__ import annotations

from pathlib import Path

from reorder_kit import hookimpl
from reorder_kit.interfaces.run_events import RunInfo
from reorder_kit.runs.epoch_record import EpochRecord

reorder_kit_api = "1.0"


@hookimpl
def run_started(run: RunInfo) -> None:
    """Keep the lines of the epochs that are done: a run that was stopped may have written one more than it saved."""
    path = log_of(run)
    done = path.read_text().splitlines(keepends=True)[: run.first_epoch - 1] if path.exists() else []
    path.write_text("".join(done))


@hookimpl
def epoch_finished(run: RunInfo, epoch: int, record: EpochRecord) -> None:
    """Write the line."""
    loss, headline = record.train.loss, record.validation[run.headline]
    with log_of(run).open("a") as file:
        file.write(f"epoch {epoch}/{run.epochs}  loss {loss:.4f}  {run.headline} {headline:.4f}\n")


def log_of(run: RunInfo) -> Path:
    """Where the log of a run is."""
    return run.directory / "run.log"
