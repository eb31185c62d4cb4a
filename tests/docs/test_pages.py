"""Commands in README.md and the pages in docs/ are valid, and the names they use exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from pages import PAGES, ROOT, Page, every_command, every_option, parse
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.studies.library import study_names

COMMANDS = Page("docs/command-line.md")
SHOWN = sorted({tuple(words) for page in PAGES for words in page.commands() if not words[0].startswith("-")})
STANDS_FOR_SOMETHING = re.compile(r"\b[A-Z][A-Z_]+\b|\bruns/|=\[wandb\]|\bmy-walk\b")
"""Placeholders such as RUN and FOLDER; runs; plugins."""


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_a_command_is_one_that_the_command_line_knows(words, host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("mine").mkdir()
    for recipe, path in {"quickstart": "my_recipe.yaml", "local_informed": "mine/local_informed.yaml"}.items():
        Path(path).write_bytes((ROOT / "recipes" / f"{recipe}.yaml").read_bytes())
    if words[0].isupper():
        return
    name, given = parse(words)
    if STANDS_FOR_SOMETHING.search(" ".join(words)):
        return
    if "recipe" in given:
        content, source = read_recipe(given["recipe"])
        validate(override(content, map(parse_assignment, given["sets"] or ())), host, source)
    for recipe in given["recipes"] if name == "transfer" else ():
        validate(read_recipe(recipe)[0], host, recipe)
    if name == "copy":
        assert set(given["names"] or ()) <= set(recipe_names())
    for ordering in [given.get("ordering"), *(given.get("orders") or ())]:
        assert ordering is None or ordering in host.orderings
    if name == "show-order":
        Grid.parse(given["grid"])
    if name == "describe":
        assert given["name"] in host.find_registry(given["kind"])


def test_every_command_is_shown():
    shown = {tuple(words) for words in COMMANDS.commands()}
    assert [command for command in every_command() if command not in {words[: len(command)] for words in shown}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_names_is_there(page):
    assert set(re.findall(r"`(--[\w-]+)`", page.prose)) <= every_option()
    assert set(re.findall(r"`recipes/([\w/]+)\.yaml`", page.prose)) <= set(recipe_names())
    assert set(re.findall(r"`studies/(\w+)\.yaml`", page.prose)) <= set(study_names())
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(re.findall(r"reorder-kit\[(\w+)\]", page.text)) <= set(extras)
    linked = [link.partition("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", page.prose) if "://" not in link]
    assert [link for link in linked if link and not ((ROOT / page.name).parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_nothing_is_left_to_be_filled_in(page):
    assert re.findall(r"EXPECT_\w*|TODO|\bTBD\b", page.text) == []
