"""Training and loading runs, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.api.plugins import plugins
from reorder_kit.api.run_path import path_of
from reorder_kit.caller import Caller
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override

if TYPE_CHECKING:
    from reorder_kit.api.finished_run import FinishedRun


def run(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    host: PluginHost | None = None,
    progress: bool | None = None,
) -> FinishedRun:
    """Train a recipe and its controls.

    >>> result = run("quickstart", {"train.epochs": 3})  # doctest: +SKIP
    >>> result.score, result.metrics.test["top1"], result.order, result.folder  # doctest: +SKIP

    What the command line prints as a warning is a :class:`reorder_kit.ReorderKitWarning` at the calling line.

    Args:
        recipe: a recipe file, the name of a shipped recipe, or a recipe's content.
        overrides: new values by dotted field path.
        out: the run folder; ``runs/<name>``, or the next free name, if not given.
        resume: continue a run that was stopped.
        host: the plugins; all installed ones if not given.
        progress: show progress; if not given, in notebooks and if standard error is a terminal.

    Returns:
        The figures, the order, and the folder; ``as_dict()`` is the content of its ``result.json``.

    Raises:
        ReorderKitError: if the recipe, the data or the run folder is invalid.
    """
    # Imported on first use: accelerate and timm take seconds to load, which programs that only need orders avoid.
    from reorder_kit.api.finished_run import FinishedRun
    from reorder_kit.api.found import FindingWarnings
    from reorder_kit.api.progress import progress_of_runs
    from reorder_kit.cli._run_summary import summary_lines
    from reorder_kit.experiment.doubts import doubts
    from reorder_kit.training.run import run_experiment

    caller = Caller.here()
    with caller.warned_of_logs():
        host = plugins(host, caller)
        content, source = (recipe, "recipe") if isinstance(recipe, Mapping) else read_recipe(str(recipe))
        experiment = compose(override(content, (overrides or {}).items()), host, source)
        for doubt in doubts(experiment):
            caller.warn(doubt)
        with progress_of_runs(host, progress), host.followed_by(FindingWarnings(caller), "api.warnings"):
            folder, result = run_experiment(experiment, host, None if out is None else Path(out), resume)
        notes = summary_lines(folder, result, experiment.learns)
    return FinishedRun(folder.path, result, tuple(notes), tuple(caller.told))


def load_run(
    path: str | os.PathLike[str] | Any,
    host: PluginHost | None = None,
    places: Mapping[str, Any] | None = None,
    allow_download: bool = False,
) -> LoadedRun:
    """Load the trained model of a run in evaluation mode on the CPU, with its task, recipe and progress.

    Args:
        path: the run folder, or what :func:`run` returned.
        host: the plugins; all installed ones if not given.
        places: where its data is now, if it has moved, as in ``{"data.root": "/data/photos"}``.
        allow_download: let its data source download what is missing when the data is opened.

    Raises:
        ReorderKitError: if the folder has no checkpoint, or one with another format or that cannot be read.
    """
    caller = Caller.here()
    with caller.warned_of_logs():
        return LoadedRun.open(path_of(path), plugins(host, caller), tuple((places or {}).items()), allow_download)
