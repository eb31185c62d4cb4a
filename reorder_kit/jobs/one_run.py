"""Train one run in its folder, from the beginning or from where it was stopped."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recorded_data import data_key
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.jobs.smoke import few_steps
from reorder_kit.runs.result import RunResult
from reorder_kit.training.run import run_in_program


def train_in_folder(
    recipe: Mapping[str, Any],
    folder: Path,
    host: PluginHost,
    source: str,
    splits: Path | None = None,
    is_smoke: bool = False,
) -> RunResult:
    """Train a run, continue it, or read its existing result.

    Args:
        recipe: its recipe, as plain data.
        folder: its run folder.
        host: the plugins.
        source: name of the recipe in messages.
        splits: the folder with the names of images, shared by runs with the same data; None if it shares none.
        is_smoke: train only a few steps.

    Returns:
        The result.

    Raises:
        ReorderKitError: if the folder holds another run, or training fails.
    """
    experiment = compose(recipe, host, source)
    if is_smoke:
        experiment = few_steps(experiment)
    split_file = None if splits is None else splits / f"{data_key(experiment)}.jsonl.gz"
    return run_in_program(experiment, host, folder, split_file)
