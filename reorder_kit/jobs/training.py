"""One run of a study, wherever it is trained: its folder says what became of it."""

from __future__ import annotations

import fcntl
import gc
import json
import os
import shutil
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.processes import host_without_pictures
from reorder_kit.jobs.smoke import few_steps
from reorder_kit.runs.record import write_whole
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.run import run_experiment

_FAILURE = "failure.json"


@dataclass(frozen=True)
class Training:
    """A run to be trained, as a process is told of it.

    Args:
        recipe: its recipe, as plain data.
        folder: its run folder.
        is_smoke: take a few steps only.
    """

    recipe: Mapping[str, Any]
    folder: Path
    is_smoke: bool = False


def train(training: Training) -> None:
    """Train a run, or go on with it; what goes wrong is written into its folder."""
    folder = training.folder
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        try:
            _train(training, host_without_pictures())
        except ReorderKitError as error:
            note_failure(folder, str(error))
        except Exception as error:  # a plugin's mistake must not stop the other runs
            note_failure(folder, f"{type(error).__name__}: {error}", traceback.format_exc())
    gc.collect()  # the next run of this process shall not find the memory of a GPU taken by this one's model


def _train(training: Training, host: PluginHost) -> None:
    run = RunFolder(training.folder)
    if run.is_finished:
        return
    if not run.recipe.exists():  # killed before there was anything to go on with
        _empty(run.path)
    experiment = compose(training.recipe, host, str(run.path))
    if training.is_smoke:
        experiment = few_steps(experiment)
    run_experiment(experiment, host, run.path, resume=run.recipe.exists())


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def note_failure(folder: Path, reason: str, details: str = "") -> None:
    """Write down why a run could not be finished."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / _FAILURE, json.dumps({"reason": reason, "traceback": details}, indent=2) + "\n")


def forget_failure(folder: Path) -> None:
    """A run is tried again."""
    (folder / _FAILURE).unlink(missing_ok=True)


def failure_of(folder: Path) -> str | None:
    """Why a run could not be finished when it was last tried; None if it was not, or is finished."""
    if RunFolder(folder).is_finished:
        return None
    try:
        reason: str = json.loads((folder / _FAILURE).read_text(encoding="utf-8"))["reason"]
    except FileNotFoundError:
        return None
    return reason


@contextmanager
def alone(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold a folder so that no other process works in it; where the file system has no locks, trust that none does.

    Args:
        folder: which one; it has to be there.
        wait: until the other is done.

    Raises:
        ReorderKitError: if another process holds it, and this one does not wait.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                raise ReorderKitError(f"{folder}: another process is at work on it", "wait until it is done") from None
        yield
    finally:
        os.close(handle)
