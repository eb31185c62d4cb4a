"""The recipes and studies that come with the package: a page for each, and a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import takewhile

from reorder_kit.cli.recipes import about_recipe
from reorder_kit.recipe.library import recipe_names
from reorder_kit.studies.library import study_names
from site_pages.markdown import block, plain, table
from site_pages.places import REPOSITORY, ROOT

_RECIPES = """`reorder-kit run NAME` trains one; `reorder-kit recipes copy NAME` gives you a copy to change. Fields:
[Recipe fields](recipe.md).
"""
_STUDIES = """`reorder-kit study NAME` trains one, and `reorder-kit report` shows what came out. Fields:
[Study fields](study.md).
"""


def shipped_pages() -> dict[str, str]:
    """The pages, by source."""
    pages: dict[str, str] = {}
    for title, folder, names, words in (
        ("Shipped recipes", "recipes", recipe_names(), _RECIPES),
        ("Shipped studies", "studies", study_names(), _STUDIES),
    ):
        texts = {name: (ROOT / folder / f"{name}.yaml").read_text(encoding="utf-8") for name in names}
        pages[f"reference/{folder}.md"] = "\n".join(_list_of(title, folder, words, texts))
        pages |= {f"{REPOSITORY}{folder}/{name}.yaml.md": yaml_page(name, text) for name, text in texts.items()}
    return pages


def yaml_page(name: str, text: str) -> str:
    """A page with the comment at the top of a YAML file, and all of the file."""
    header = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), text.split("\n"))]
    command, *words = header or [""]
    said = "\n".join(map(plain, words)).strip()
    shown = block(command, "console") if command.startswith("reorder-kit") else f"{plain(command)}\n"
    return f"# {name}\n\n{shown}\n{said}\n\n{block(text, 'yaml')}"


def _list_of(title: str, folder: str, words: str, texts: Mapping[str, str]) -> Iterator[str]:
    yield f"# {title}\n"
    yield words
    rows = (
        [f"[`{name}`](../{REPOSITORY}{folder}/{name}.yaml.md)", plain(about_recipe(text))]
        for name, text in texts.items()
    )
    yield table(["name", "what it is about"], rows)
