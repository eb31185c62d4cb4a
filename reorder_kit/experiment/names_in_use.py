"""Whether any run has trained with a shared list of images."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.run_folder import RunFolder


def has_trained_with(split_file: Path) -> bool:
    """Whether a run has learned from these images.

    Args:
        split_file: their names, in the folder of a run with controls, or in a folder next to the runs of a study.
    """
    home = split_file.parent
    runs = home if RunFolder(home).data.exists() else home.parent
    return any(_has_trained(RunFolder(path.parent), split_file) for path in runs.rglob(RunFolder(home).data.name))


def has_learned(folder: RunFolder) -> bool:
    """Whether a run, or the search before it, has a checkpoint, the metrics of an epoch, or a result."""
    has_figures = folder.metrics.exists() and folder.metrics.stat().st_size > 0
    if has_figures or folder.is_finished or folder.latest_checkpoint() is not None:
        return True
    return folder.search.is_dir() and has_learned(RunFolder(folder.search))


def _has_trained(folder: RunFolder, split_file: Path) -> bool:
    if not has_learned(folder):
        return False
    try:
        named = DataRecord.read(folder.data).split_file
    except ReorderKitError:  # damaged, so it may name them
        return True
    return named is not None and (folder.path / named).resolve() == split_file.resolve()
