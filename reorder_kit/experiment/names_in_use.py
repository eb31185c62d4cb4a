"""Whether something was trained with the images whose names runs share."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.run_folder import RunFolder


def has_trained_with(split_file: Path) -> bool:
    """Whether a run has come to a checkpoint, or an end, with these images.

    Args:
        split_file: their names: in the folder of a run that has controls, or in a folder beside the runs of a study.
    """
    home = split_file.parent
    runs = home if RunFolder(home).data.exists() else home.parent
    return any(_has_trained(RunFolder(path.parent), split_file) for path in runs.rglob(RunFolder(home).data.name))


def _has_trained(folder: RunFolder, split_file: Path) -> bool:
    if not folder.is_finished and folder.latest_checkpoint() is None:
        return False
    try:
        named = DataRecord.read(folder.data).split_file
    except ReorderKitError:  # damaged: it may well name them
        return True
    return named is not None and (folder.path / named).resolve() == split_file.resolve()
