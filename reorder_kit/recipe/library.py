"""The recipes that come with the package."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.recipe.shipped_files import ShippedFiles

_RECIPES = ShippedFiles("recipe", "recipes")


def recipes_folder() -> Path:
    """Where they are: in the installed package, or beside it in a checkout."""
    return _RECIPES.folder


def recipe_names() -> list[str]:
    """Names of the shipped recipes: ``quickstart``, ``paper/imagenet/vit``."""
    return _RECIPES.names()


def read_recipe(recipe: str, assignments: Iterable[str] = ()) -> tuple[dict[str, Any], str]:
    """The content of a recipe and what to call it in messages; not yet checked.

    Args:
        recipe: a file, or the name of a shipped recipe. ``recipes/quickstart.yaml`` is found without a checkout, too.
        assignments: ``FIELD=VALUE``, of fields to be replaced.

    Raises:
        ReorderKitError: if it is neither, or an assignment is none.
    """
    content = read_recipe_file(_RECIPES.find(recipe))
    return override(content, map(parse_assignment, assignments)), recipe
