"""Scalars for TensorBoard, if it is installed."""

from __future__ import annotations

import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces.run_events import RunInfo

if TYPE_CHECKING:
    from reorder_kit.runs.epoch_record import EpochRecord

_FILE = "events.out.tfevents.reorder_kit"
_LENGTH, _AROUND = 8, 16
"""The bytes of the length at the beginning of a record; the bytes of a record besides its content."""


@hookimpl
def run_started(run: RunInfo) -> None:
    """Remove a record truncated by a kill: TensorBoard reads nothing after it."""
    path = run.directory / "tensorboard" / _FILE
    if not path.exists():
        return
    size = path.stat().st_size
    with path.open("r+b") as file:
        end = 0
        while len(length := file.read(_LENGTH)) == _LENGTH:
            after = end + int.from_bytes(length, "little") + _AROUND
            if after > size:
                break
            end = file.seek(after)
        if end < size:
            file.truncate(end)


@hookimpl
def epoch_finished(run: RunInfo, epoch: int, record: EpochRecord) -> None:
    """Append the scalars of an epoch to ``tensorboard/`` in the run folder.

    The step is the epoch. Each epoch starts with the mark that makes TensorBoard drop later points, because a resumed
    run writes its last epochs again. Per-class metrics stay in ``metrics.jsonl``.
    """
    if find_spec("tensorboard") is None:
        return
    # Imported late, because it is optional and takes a second.
    from torch.utils.tensorboard import SummaryWriter

    directory = run.directory / "tensorboard"
    directory.mkdir(parents=True, exist_ok=True)
    # A writer always starts a new file, named by the second, so the epochs of a fast run would be read in an undefined
    # sequence. An event file is a sequence of records, so each epoch's records are appended to one file instead.
    with tempfile.TemporaryDirectory() as scratch:
        with SummaryWriter(scratch, purge_step=epoch) as writer:
            for name, value in record.scalars().items():
                writer.add_scalar(name, value, global_step=epoch)
        with (directory / _FILE).open("ab") as file:
            for part in Path(scratch).iterdir():
                file.write(part.read_bytes())
