"""Predictions, in Python."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.api.plugins import plugins
from reorder_kit.api.run_path import path_of
from reorder_kit.caller import Caller
from reorder_kit.data.given_images import find_images
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.runs.run_folder import RunFolder

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from reorder_kit.host.plugin_host import PluginHost
    from reorder_kit.training.prediction import Predictions

PREVIEWS = 24
"""The number of images that keep a thumbnail, which notebooks and pictures show."""

_Given = str | os.PathLike[str]


def predict(
    run: str | os.PathLike[str] | LoadedRun | Any,
    images: _Given | Image.Image | NDArray[Any] | Iterable[_Given | Image.Image | NDArray[Any]],
    threshold: float | None = None,
    device: str | None = None,
    host: PluginHost | None = None,
) -> Predictions:
    """Predict images with a trained run. The run's data is not opened, and nothing is downloaded or written.

    >>> predictions = predict("runs/photos", ["cat.jpg", "holiday/"])  # doctest: +SKIP
    >>> predictions[0].best.name, predictions[0].best.probability  # doctest: +SKIP

    Args:
        run: the folder of a finished run, or what :func:`run` or :func:`load_run` returned; the model of a loaded run
            is moved to the device.
        images: one or more files, folders (searched with their subfolders), Pillow images, or arrays (row, column) or
            (row, column, channel) of uint8 or uint16.
        threshold: the least probability (multi-label) or score (detection) that is reported; the task's own if not
            given.
        device: a value of ``train.device``; the recipe's if not given, or an available device if that one is missing.
        host: the plugins; all installed ones if not given.

    Returns:
        One prediction for each readable image, in the given sequence. Images that could not be read are listed in
        ``unreadable`` and named in a warning.

    Raises:
        ReorderKitError: if the run is not finished or cannot be opened, its data source or task does not support
            predictions, or an argument is not an image.
    """
    # Imported on first use: accelerate takes seconds.
    from reorder_kit.training.predict_run import predict_run

    caller = Caller.here()
    host = plugins(host, caller)
    found = find_images(images)
    predictions = predict_run(_opened(run), found, host, device, threshold, PREVIEWS)
    if predictions.unreadable:
        named = "; ".join(f"{each.path}: {each.reason}" for each in predictions.unreadable)
        count = len(predictions.unreadable)
        caller.warn(f"{count} of the images could not be read: {named}")
    return predictions


def _opened(run: Any) -> Path | LoadedRun:
    if isinstance(run, LoadedRun):
        return run
    path = path_of(run)
    RunFolder(path).read_result()
    return path
