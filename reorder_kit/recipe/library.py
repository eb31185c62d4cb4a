"""The recipes that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, did_you_mean
from reorder_kit.recipe.read_yaml import read_recipe_file


def recipes_folder() -> Path:
    """Where they are: in the installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    shipped = package / "shipped_recipes"
    return shipped if shipped.exists() else package.parent / "recipes"


def recipe_names() -> list[str]:
    """Names of the shipped recipes: ``quickstart``, ``paper/imagenet/vit``."""
    folder = recipes_folder()
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.yaml"))


def read_recipe(recipe: str) -> tuple[dict[str, Any], str]:
    """The content of a recipe and what to call it in messages; not yet checked.

    Args:
        recipe: a file, or the name of a shipped recipe. ``recipes/quickstart.yaml`` is found without a checkout, too.

    Raises:
        ReorderKitError: if it is neither.
    """
    path = Path(recipe)
    name = path.with_suffix("").as_posix().removeprefix("recipes/")
    shipped = recipes_folder() / f"{name}.yaml"
    if not path.is_file() and shipped.exists():  # a folder of its name does not hide it
        return read_recipe_file(shipped), recipe
    if path.exists():
        return read_recipe_file(path), recipe
    raise ReorderKitError(f"{recipe}: no such file, and no shipped recipe", did_you_mean(name, recipe_names()))
