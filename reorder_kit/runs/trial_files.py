"""The files of a finished trial: its record, and the losses of the judged images."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.checksums import DAMAGED, digest_of, require_digest
from reorder_kit.orders.npy_file import write_npy
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.test_scores import Scores, read_scores
from reorder_kit.runs.trial_record import TrialRecord

RECORD, LOSSES = "trial.json", "losses.npy"


def write_trial(folder: Path, record: TrialRecord, losses: Scores) -> None:
    """Write both files, the record last, because a trial with a record is finished.

    Args:
        folder: the trial's folder.
        record: the record, without checksums of files.
        losses: the losses of the judged images.
    """
    write_npy(folder / LOSSES, losses)
    files = {file.name: digest_of(file) for file in (RunFolder(folder).recipe, folder / LOSSES)}
    record.model_copy(update={"files": files}).write(folder / RECORD)


def read_trial(folder: Path) -> tuple[TrialRecord, Scores]:
    """Read both files.

    Raises:
        ReorderKitError: if a file is missing, damaged, or belongs to another trial.
    """
    record = TrialRecord.read(folder / RECORD)
    for name in (RunFolder(folder).recipe.name, LOSSES):
        require_digest(folder / name, record.files.get(name), folder / RECORD)
    losses = read_scores(folder / LOSSES)
    if len(losses) != record.images:
        raise ReorderKitError(f"{folder / LOSSES}: has {len(losses)} losses, not {record.images}", DAMAGED)
    return record, losses
