"""Runs, in Python."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override

if TYPE_CHECKING:
    from reorder_kit.runs.result import RunResult


def run(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    host: PluginHost | None = None,
) -> RunResult:
    """Train a recipe and return what came out; ``as_dict()`` is the content of its ``result.json``.

    >>> result = run("quickstart", {"train.epochs": 3})  # doctest: +SKIP
    >>> result.metrics.test["top1"], result.order.final[:4]  # doctest: +SKIP

    Args:
        recipe: a file, the name of a shipped recipe, or a recipe's content.
        overrides: new values by dotted field path.
        out: the run folder; ``runs/<name>`` or the next free one like it if not given.
        resume: go on with a run that was stopped.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if something about recipe, data or run folder is wrong.
    """
    # Imported on first use: accelerate and timm take seconds, and not everyone who asks for an order trains.
    from reorder_kit.training.run import run_experiment

    host = host or PluginHost.from_environment()
    content, source = (recipe, "recipe") if isinstance(recipe, Mapping) else read_recipe(str(recipe))
    experiment = compose(override(content, (overrides or {}).items()), host, source)
    return run_experiment(experiment, host, None if out is None else Path(out), resume)[1]


def load_run(
    path: str | Path,
    host: PluginHost | None = None,
    places: Mapping[str, Any] | None = None,
    allow_download: bool = False,
) -> LoadedRun:
    """The trained model of a run, in evaluation mode, on the CPU, with its task, recipe and progress.

    Args:
        path: the run folder.
        host: the plugins; all installed ones if not given.
        places: where its data is now, if it is elsewhere, as ``{"data.root": "/data/photos"}``.
        allow_download: let its data source fetch what is not there when the data is opened.

    Raises:
        ReorderKitError: if the folder holds no checkpoint, one of another format, or one that cannot be read.
    """
    return LoadedRun.open(path, host, tuple((places or {}).items()), allow_download)
