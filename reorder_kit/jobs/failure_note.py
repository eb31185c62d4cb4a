"""A note in a run folder that says why the run could not be finished."""

from __future__ import annotations

import json
from pathlib import Path

from reorder_kit.jobs.work import Failure
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.whole_file import write_whole

_FILE = "failure.json"


def note_failure(folder: Path, failure: Failure) -> None:
    """Write down why a run could not be finished; nothing if it is."""
    if RunFolder(folder).is_finished:
        return
    folder.mkdir(parents=True, exist_ok=True)
    content = {"reason": str(failure), "traceback": failure.details}
    write_whole(folder / _FILE, json.dumps(content, indent=2) + "\n")


def forget_failure(folder: Path) -> None:
    """A run is tried again."""
    (folder / _FILE).unlink(missing_ok=True)


def failure_of(folder: Path) -> str | None:
    """Why a run could not be finished when it was last tried; None if it was not, or is finished."""
    if RunFolder(folder).is_finished:
        return None
    try:
        reason: str = json.loads((folder / _FILE).read_text(encoding="utf-8"))["reason"]
    except FileNotFoundError:
        return None
    return reason
