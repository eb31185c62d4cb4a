"""The studies that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, did_you_mean
from reorder_kit.recipe.read_yaml import read_recipe_file


def studies_folder() -> Path:
    """Where they are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "shipped_studies"
    return shipped if shipped.exists() else package.parent / "studies"


def study_names() -> list[str]:
    """Names of the shipped studies."""
    return sorted(path.stem for path in studies_folder().glob("*.yaml"))


def find_study(study: str) -> tuple[dict[str, Any], Path]:
    """The content of a study, not yet checked, and where its file is.

    Args:
        study: a file, or the name of a shipped study. ``studies/quick.yaml`` is found without a checkout, too.

    Raises:
        ReorderKitError: if it is neither.
    """
    path = Path(study)
    name = path.with_suffix("").as_posix().removeprefix("studies/")
    shipped = studies_folder() / f"{name}.yaml"
    if not path.is_file() and shipped.exists():  # a folder of its name does not hide it
        return read_recipe_file(shipped), shipped.parent
    if path.exists():
        return read_recipe_file(path), path.parent
    raise ReorderKitError(f"{study}: no such file, and no shipped study", did_you_mean(name, study_names()))
