"""One run in its folder, wherever it is trained: begun, or continued where it was stopped."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recorded_data import data_key
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.folder_lock import alone
from reorder_kit.jobs.smoke import few_steps
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.run import run_experiment


def train_in_folder(
    recipe: Mapping[str, Any],
    folder: Path,
    host: PluginHost,
    source: str,
    splits: Path | None = None,
    is_smoke: bool = False,
) -> RunResult:
    """Train a run, continue it, or read what came out of it before.

    Args:
        recipe: its recipe, as plain data.
        folder: its run folder.
        host: the plugins.
        source: what to call the recipe in messages.
        splits: the folder of the names of images, which runs with the same data share; None if it shares none.
        is_smoke: take a few steps only.

    Returns:
        What came out.

    Raises:
        ReorderKitError: if the folder holds another run, or training cannot go on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with alone(folder):
        run = RunFolder(folder)
        is_begun = run.recipe.exists() or run.latest_checkpoint() is not None
        if not is_begun:  # killed before there was anything to continue
            _empty(folder)
        experiment = compose(recipe, host, source)
        if is_smoke:
            experiment = few_steps(experiment)
        split_file = None if splits is None else splits / f"{data_key(experiment)}.jsonl.gz"
        _, result = run_experiment(experiment, host, folder, is_begun, split_file)
    return result


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
