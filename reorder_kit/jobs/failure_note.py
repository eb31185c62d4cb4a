"""A note in a run folder that says why the run could not be finished."""

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
        traceback: of what nobody expected; empty otherwise.
    """

    reason: str
    traceback: str


def note_failure(folder: Path, failure: Failure) -> None:
    """Write down why a run could not be finished; nothing if it is."""
    if RunFolder(folder).is_finished:
        return
    folder.mkdir(parents=True, exist_ok=True)
    FailureNote(reason=str(failure), traceback=failure.details).write(folder / _FILE)


def forget_failure(folder: Path) -> None:
    """A run is tried again."""
    (folder / _FILE).unlink(missing_ok=True)


def failure_of(folder: Path) -> str | None:
    """Why a run could not be finished when it was last tried; None if it was not, or is finished."""
    if RunFolder(folder).is_finished:
        return None
    file = folder / _FILE
    if not file.exists():
        return None
    try:
        return FailureNote.read(file).reason
    except ReorderKitError as error:
        raise ReorderKitError(error.message, f"remove {file}, and the run is tried again") from None
