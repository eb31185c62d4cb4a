"""A note in a run folder that says why the run failed."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.work import Failure
from reorder_kit.runs.record import SealedRecord
from reorder_kit.runs.run_folder import RunFolder

_FILE = "failure.json"


class FailureNote(SealedRecord):
    """The content of the note.

    Args:
        reason: what went wrong, with a hint.
        traceback: traceback of an unexpected error; empty otherwise.
    """

    reason: str
    traceback: str


def note_failure(folder: Path, failure: Failure) -> None:
    """Record why a run failed; do nothing if it is finished."""
    if RunFolder(folder).is_finished:
        return
    folder.mkdir(parents=True, exist_ok=True)
    FailureNote(reason=str(failure), traceback=failure.details).write(folder / _FILE)


def forget_failure(folder: Path) -> None:
    """Delete the note, because the run is tried again."""
    (folder / _FILE).unlink(missing_ok=True)


def failure_of(folder: Path) -> str | None:
    """Why the last attempt at a run failed; None if it was never tried or is finished."""
    if RunFolder(folder).is_finished:
        return None
    file = folder / _FILE
    if not file.exists():
        return None
    try:
        return FailureNote.read(file).reason
    except ReorderKitError as error:
        raise ReorderKitError(error.message, f"remove {file}, and the run will be tried again") from None
