"""``reorder-kit recipes``: the shipped recipes."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path
from typing import Annotated

import typer

from reorder_kit.cli._completion import complete_shipped_recipe
from reorder_kit.cli._parameters import as_name, as_path
from reorder_kit.errors import ReorderKitError, did_you_mean, writing
from reorder_kit.whole_file import write_whole

_COMMAND = re.compile(r"reorder[-_]kit (run|study) ")


def list_recipes() -> None:
    """List the recipes that come with reorder-kit, with a description of each.

    \b
    Example:
      reorder-kit recipes list
    """
    from reorder_kit.recipe.library import recipe_names, recipes_folder

    names = recipe_names()
    width = max(map(len, names))
    for name in names:
        text = (recipes_folder() / f"{name}.yaml").read_text(encoding="utf-8")
        typer.echo(f"{name:<{width}}  {about_recipe(text)}".rstrip())


def copy_recipes(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...",
            help="Recipes to copy; all if none is named.",
            parser=as_name,
            autocompletion=complete_shipped_recipe,
        ),
    ] = None,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Folder to copy to.", parser=as_path)] = Path(
        "recipes"
    ),
) -> None:
    """Copy recipes into a folder, where you can edit them.

    An existing file that differs is not overwritten.

    \b
    Example:
      reorder-kit recipes copy
      reorder-kit recipes copy quickstart vit_reinforce --to my-recipes
    """
    from reorder_kit.recipe.library import recipe_names, recipes_folder

    known = recipe_names()
    for name in names or ():
        if name not in known:
            raise ReorderKitError(f"unknown shipped recipe {name!r}", did_you_mean(name, known))
    texts = {to / f"{name}.yaml": (recipes_folder() / f"{name}.yaml").read_bytes() for name in names or known}
    for path, text in texts.items():
        if path.exists() and path.read_bytes() != text:
            raise ReorderKitError(f"{path} already exists and differs", "give another folder with --to")
    for path, text in texts.items():
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(path, text)
        typer.echo(f"wrote {path}")


def about_recipe(text: str) -> str:
    """The first sentence in the header of a recipe or a study, without the command."""
    header = (line.lstrip("# ") for line in takewhile(lambda line: line.startswith("#"), text.splitlines()))
    parts = (part for line in header for part in re.split(" {2,}", line))
    said = " ".join(part for part in parts if part and not _COMMAND.search(part))
    return re.split(r"(?<=\.)\s", said)[0]
