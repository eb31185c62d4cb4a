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
    """Their folder: in the installed package, or next to it in a checkout."""
    return _RECIPES.folder


def recipe_names() -> list[str]:
    """Names of the shipped recipes, such as ``quickstart`` or ``paper/imagenet/vit``."""
    return _RECIPES.names()


def read_recipe(recipe: str, assignments: Iterable[str] = ()) -> tuple[dict[str, Any], str]:
    """The content of a recipe, not yet checked, and its name for messages.

    Args:
        recipe: a file, or the name of a shipped recipe. ``recipes/quickstart.yaml`` is found even without a checkout.
        assignments: fields to replace, as ``FIELD=VALUE``.

    Raises:
        ReorderKitError: if the recipe is neither, or an assignment is malformed.
    """
    content = read_recipe_file(_RECIPES.find(recipe))
    return override(content, map(parse_assignment, assignments)), recipe
