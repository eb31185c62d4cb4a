"""The folder of a study: its paths, and which study it belongs to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.jobs.failure_note import failure_of
from reorder_kit.recipe.overrides import differences
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.runs.folder_lock import alone, holds_nothing
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.cells import Cell
from reorder_kit.studies.study_file import Study
from reorder_kit.whole_file import write_unless_same

_MAY_CHANGE = ("margin", "alpha")
"""Fields that no run depends on."""

_MAY_GROW = ("seeds", "lengths")
"""Fields that can be extended without affecting finished runs."""


@dataclass(frozen=True)
class StudyFolder:
    """The paths of a study's folder."""

    path: Path

    @property
    def study(self) -> Path:
        """The study with all defaults."""
        return self.path / "study.yaml"

    @property
    def results(self) -> Path:
        """The results so far."""
        return self.path / "study.json"

    @property
    def splits(self) -> Path:
        """The names of the images, shared by the runs of all seeds."""
        return self.path / "splits"

    @property
    def smoke(self) -> Path:
        """The folder of the smoke test; deleted afterwards."""
        return self.path / "smoke"

    @property
    def jobs(self) -> Path:
        """The output of cluster jobs."""
        return self.path / "jobs"

    def run(self, cell: Cell) -> RunFolder:
        """The folder of a run."""
        return RunFolder(self.path / cell.path)

    def failure(self, cell: Cell) -> str | None:
        """Why a run failed; None if it did not."""
        return failure_of(self.run(cell).path)

    @contextmanager
    def held_for(self, study: Study) -> Iterator[None]:
        """Create the folder for a study, or continue in it, while no other process uses it.

        Raises:
            ReorderKitError: if it holds anything else, cannot be written, or is used by another process.
        """
        self.check(study)
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with alone(self.path):
            self.check(study)  # another process may have used it in the meantime
            with writing(self.path):
                write_unless_same(self.study, write_yaml(study.as_plain_data(), str(self.study)))
            yield

    def check(self, study: Study) -> None:
        """Refuse a folder that holds something else.

        A study may add seeds and lengths, and change its margin and level. The test and the pool are fixed by its file.

        Raises:
            ReorderKitError: naming the fields that differ.
        """
        if not self.study.exists():
            if self.path.exists() and not holds_nothing(self.path):
                raise ReorderKitError(f"{self.path} is not an empty folder and holds no study", "give another --out")
            return
        now = study.as_plain_data()
        before = {**_defaults(), **read_recipe_file(self.study)}
        different = [field for field in differences(before, now) if field not in _MAY_CHANGE]
        for field in _MAY_GROW:
            if field in different and set(_listed(before, field)) <= set(_listed(now, field)):
                different.remove(field)
        if different:
            raise ReorderKitError(
                f"{self.path} holds another study; these fields differ: {', '.join(different)}", "give another --out"
            )


def _listed(content: dict[str, Any], field: str) -> list[Any]:
    values = content.get(field)
    return values if isinstance(values, list) else []


def _defaults() -> dict[str, Any]:
    """Values of fields for studies written before these fields existed."""
    return Study(format_version=1, name="study", seeds=(0,)).as_plain_data()
