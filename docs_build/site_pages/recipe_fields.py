"""Every field of a recipe and of a study, from their models."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Any

from pydantic import BaseModel

from reorder_kit.cli._description import describe_schema
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.studies.study_file import Study
from site_pages.markdown import docstring
from site_pages.option_tables import option_table

_RECIPE = """A recipe is a YAML file. This page lists its fields. The options of a component stand in the same section
as its name, and are listed with [the components](components/backbones.md). `reorder-kit validate FILE` names every
mistake at once, and `--set FIELD=VALUE` replaces a field on the command line.
"""
_STUDY = """A study is a YAML file that trains a grid of recipes ([Studies](../studies.md)). `--set FIELD=VALUE`
replaces a field on the command line; `recipe` takes the fields of [a recipe](recipe.md). In names of fields, `*` stands
for a name of your own; such a section also takes the options of its component.
"""


def field_pages() -> dict[str, str]:
    """The two pages, by source."""
    return {
        "reference/recipe.md": "\n".join(_page("Recipe fields", _RECIPE, Recipe)),
        "reference/study.md": "\n".join(_page("Study fields", _STUDY, Study)),
    }


def _page(title: str, introduction: str, model: type[BaseModel]) -> Iterator[str]:
    yield f"# {title}\n"
    yield introduction
    options = describe_schema(model.model_json_schema())
    alone, sections = [], []
    for name, rows in groupby(options, key=lambda option: option["name"].partition(".")[0]):
        fields = list(rows)
        if len(fields) == 1:
            alone += fields
        else:
            sections.append((name, fields))
    yield "## At the top level\n"
    yield option_table(alone, "field")
    for name, fields in sections:
        yield from _section(name, fields)


def _section(name: str, fields: list[dict[str, Any]]) -> Iterator[str]:
    yield f"## {name}\n"
    description = fields[0]["description"]
    yield f"{docstring(fields[0].get('doc', f'{description[:1].upper()}{description[1:]}.'))}\n"
    yield option_table(fields, "field")
