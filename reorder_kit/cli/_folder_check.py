"""Integrity checks of a run, study, race or transfer folder, as ``doctor FOLDER`` shows them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.jobs.ledger import finished_work
from reorder_kit.orders.checksums import require_digest
from reorder_kit.race.race_folder import RaceFolder
from reorder_kit.race.setup import RaceSetup
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.runs.trial_record import TrialRecord
from reorder_kit.studies.results import StudyResult
from reorder_kit.training.run_check import FileCheck, check_run
from reorder_kit.transfer.results import TransferResult

_OF_MANY_RUNS: Mapping[str, Callable[[Path], object]] = {
    "study.yaml": read_recipe_file,
    "study.json": StudyResult.read,
    "setup.json": RaceSetup.read,
    "race.json": lambda file: RaceFolder(file.parent).read_results(),
    "transfer.json": TransferResult.read,
    "evaluated.jsonl": finished_work,
}


def check_folder(folder: Path) -> dict[Path, list[FileCheck]]:
    """Check every file whose checksum is known; the results are grouped by run folder.

    Args:
        folder: the folder of a run, a study, a race or a transfer.

    Raises:
        ReorderKitError: if it is none of these.
    """
    if not folder.is_dir():
        raise ReorderKitError(f"{folder}: folder not found", "give the folder of a run, as in runs/quickstart")
    found = {folder: list(_of_many_runs(folder))}
    # Any other folder could be as large as a whole disk.
    below = _below(folder) if found[folder] or _holds_runs(folder) else []
    runs = [path for path in [folder, *below] if _is_run(RunFolder(path))]
    for run in runs:
        found[run] = [*found.get(run, []), *check_run(RunFolder(run))]
    if not any(found.values()):
        raise ReorderKitError(
            f"{folder}: not the folder of a run, a study, a race or a transfer, or nothing was recorded in it yet",
            "give the folder of a run, as in runs/quickstart",
        )
    return {place: checks for place, checks in found.items() if checks}


def _of_many_runs(folder: Path) -> Iterator[FileCheck]:
    for name, read in _OF_MANY_RUNS.items():
        file = folder / name
        if file.exists():
            yield _checked(file, read)
    if (folder / "study.json").exists():
        yield from _scores_of_study(folder)
    if RaceFolder(folder).is_race:
        yield from (_checked(file, _require_trial) for file in sorted(folder.glob("trials/*/trial.json")))
        yield from _scores_of_race(folder)


def _require_trial(file: Path) -> None:
    for name, digest in TrialRecord.read(file).files.items():
        require_digest(file.parent / name, digest, file)


def _scores_of_race(folder: Path) -> Iterator[FileCheck]:
    """Check that each score in the equal-cost table matches its run."""
    try:
        race = RaceFolder(folder).read_results()
    except ReorderKitError:  # already reported, or the race has not finished
        return
    for line in race.equal_cost:
        for run, value in zip(line.runs, line.score.values, strict=False):
            yield _checked(RunFolder(folder / run).result, partial(_require_score, race.headline, "race.json", value))


def _scores_of_study(folder: Path) -> Iterator[FileCheck]:
    """Check that each score in a study's table matches its run."""
    try:
        study = StudyResult.read(folder / "study.json")
    except ReorderKitError:  # already reported
        return
    for row in study.rows:
        for run, value in zip(row.runs, row.score.values, strict=False):
            yield _checked(RunFolder(folder / run).result, partial(_require_score, study.headline, "study.json", value))


def _require_score(headline: str, table: str, value: float, file: Path) -> None:
    folder = RunFolder(file.parent)
    score = folder.read_result().metrics.test.score(headline)
    if score != value:
        raise ReorderKitError(f"{folder.result}: the score is {score} here but {value} in {table}")


def _checked(file: Path, read: Callable[[Path], object]) -> FileCheck:
    try:
        read(file)
    except ReorderKitError as error:
        return FileCheck(file, error.message)
    return FileCheck(file)


def _below(folder: Path) -> list[Path]:
    """The run folders below a folder; those inside a run are checked with that run."""
    found = set()
    for place, folders, files in os.walk(folder):
        # Other file systems mounted below, such as /proc, contain no runs and can be endless.
        folders[:] = [name for name in folders if not Path(place, name).is_mount()]
        if not {"recipe.yaml", "result.json"}.isdisjoint(files):
            found.add(Path(place))
    found.discard(folder)
    return sorted(path for path in found if not (path.parent.name in ("controls", "trials") or _is_search(path)))


def _is_search(path: Path) -> bool:
    run = RunFolder(path.parent)
    return run.search == path and run.recipe.exists()


def _holds_runs(folder: Path) -> bool:
    """Whether a folder contains runs directly or one level deeper, as in ``runs/``."""
    with writing(folder):
        near = [folder, *(path for path in folder.iterdir() if path.is_dir())]
        return any(_is_run(RunFolder(path)) or any(path.glob("*/recipe.yaml")) for path in near)


def _is_run(folder: RunFolder) -> bool:
    if RaceFolder(folder.path).is_race:
        return False
    return folder.recipe.exists() or folder.is_finished or folder.latest_checkpoint() is not None
