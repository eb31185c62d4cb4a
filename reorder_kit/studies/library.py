"""The shipped studies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.recipe.shipped_files import ShippedFiles

_STUDIES = ShippedFiles("study", "studies")


def study_names() -> list[str]:
    """Names of the shipped studies."""
    return _STUDIES.names()


def find_study(study: str) -> tuple[dict[str, Any], Path]:
    """The unchecked content of a study, and the folder of its file.

    Args:
        study: a file, or the name of a shipped study. ``studies/quick.yaml`` is also found without a checkout.

    Raises:
        ReorderKitError: if it is neither.
    """
    path = _STUDIES.find(study)
    return read_recipe_file(path), path.parent
