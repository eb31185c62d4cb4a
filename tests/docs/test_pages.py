"""Commands in README.md and the pages in docs/ are valid, and the names they use exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from pages import PAGES, ROOT, Page, commands_of, every_command, every_option, parse
from reorder_kit.cli.main import app
from reorder_kit.experiment.validate import validate
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import Grid
from reorder_kit.recipe.library import read_recipe, recipe_names
from reorder_kit.recipe.overrides import override, parse_assignment
from reorder_kit.studies.library import study_names

COMMANDS = Page("docs/command-line.md")
SHOWN = sorted({tuple(words) for page in PAGES for words in page.commands() if not words[0].startswith("-")})
STANDS_FOR_SOMETHING = re.compile(r"\b[A-Z][A-Z_]+\b|\bruns/|=\[wandb\]")
"""Placeholders such as RUN and FOLDER; runs; a plugin."""


@pytest.fixture(scope="module")
def host():
    return PluginHost(third_party=False)


@pytest.mark.parametrize("words", SHOWN, ids=" ".join)
def test_a_command_is_one_that_the_command_line_knows(words, host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("my_recipe.yaml").write_bytes((ROOT / "recipes" / "quickstart.yaml").read_bytes())
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


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A reader's folder, with a run, a study, their own recipe, and photos."""
    home = tmp_path_factory.mktemp("home")
    (home / "my_recipe.yaml").write_bytes((ROOT / "recipes" / "quickstart.yaml").read_bytes())
    generator = torch.Generator().manual_seed(0)
    digit = torch.randint(0, 256, (8, 8), generator=generator, dtype=torch.uint8)
    Image.fromarray(digit.numpy()).save(home / "digit.png")
    for kind in ("bright", "dark"):
        (home / "PHOTOS" / kind).mkdir(parents=True)
        for number in range(20):
            pixels = torch.rand(32, 32, 3, generator=generator) * 100 + 100 * (kind == "bright")
            Image.fromarray(pixels.byte().numpy()).save(home / "PHOTOS" / kind / f"{number}.jpg")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for recipe in ("quickstart", "local_informed"):
            done = CliRunner().invoke(app, ["run", recipe, "--set", "train.epochs=2", "--set", "controls=[]"])
            assert done.exit_code == 0, done.output
        small = ["seeds=1", "recipe.train.epochs=2", "starts=[row]", "learners={}", "controls=[]"]
        done = CliRunner().invoke(app, ["study", "demo", *(word for each in small for word in ("--set", each))])
    assert done.exit_code == 0, done.output
    return home


SHORT = {
    "run": ["--set", "train.epochs=2"],
    "transfer": ["--set", "train.epochs=2", "--seeds", "1"],
    "study": ["--dry-run", "--out", "new"],
    "race": ["--dry-run"],
}
TYPED = sorted(
    {
        tuple(words)
        for page in (Page("README.md"), COMMANDS, Page("docs/components.md"))
        for block in page.blocks("console")
        for words in commands_of(block)
        if words[0] == "reorder-kit" and not words[1].startswith("-")  # completion would change the reader's shell
    }
)


@pytest.mark.slow
@pytest.mark.parametrize("words", TYPED, ids=" ".join)
def test_a_command_works_twice(words, home, monkeypatch):
    monkeypatch.chdir(home)
    _, *arguments = words
    if arguments[0] == "bench":  # it takes hours: cases and learners are looked up before a wrong --set is refused
        done = CliRunner().invoke(app, [*arguments, "--set", "wrong"])
        assert done.exit_code == 2
        assert "--set wrong: not an assignment" in done.output
        return
    for _ in range(2):
        done = CliRunner().invoke(app, [*arguments, *SHORT.get(arguments[0], [])])
        assert done.exit_code == 0, done.output
        assert done.stdout
