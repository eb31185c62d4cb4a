"""Every block of code in README.md and on the pages in docs/ runs, or says why it does not."""

from __future__ import annotations

import re
import shutil
from functools import cache

import jsonschema
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from made_once import made_once
from page_blocks import EXECUTED, PageRun, blocks_of
from pages import PAGES, ROOT, Page
from reorder_kit.cli.main import app
from reorder_kit.experiment.recipe_schema import recipe_schema
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.recipe import Recipe
from reorder_kit.studies.library import find_study
from reorder_kit.studies.study_file import Study

COMMANDS = "docs/command-line.md"
BLOCKS = [
    pytest.param(block, id=f"{page.name}:{block.line}")
    for page in PAGES
    for block in blocks_of(page)
    if block.language in EXECUTED
]
YAML = [
    pytest.param(block, id=f"{page.name}:{block.line}")
    for page in PAGES
    for block in blocks_of(page)
    if block.language == "yaml" and not block.reason
]
RUN = [
    page
    for page in PAGES
    if page.name != COMMANDS and any(block.language in EXECUTED and not block.reason for block in blocks_of(page))
]


def photo(generator, brightness):
    pixels = torch.rand(32, 32, 3, generator=generator) * 100 + brightness
    return Image.fromarray(pixels.byte().numpy())


def typed(*words):
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output


def furnish(home):
    (home / "my_recipe.yaml").write_bytes((ROOT / "recipes" / "quickstart.yaml").read_bytes())
    generator = torch.Generator().manual_seed(0)
    digit = torch.randint(0, 256, (8, 8), generator=generator, dtype=torch.uint8)
    Image.fromarray(digit.numpy()).save(home / "digit.png")
    for kind, brightness in (("bright", 100), ("dark", 0)):
        (home / "PHOTOS" / kind).mkdir(parents=True)
        for number in range(20):
            photo(generator, brightness).save(home / "PHOTOS" / kind / f"{number}.jpg")
    (home / "holiday").mkdir()
    for name in ("cat.jpg", "holiday/1.jpg"):
        photo(generator, 50).save(home / name)
    short = ("--set", "train.epochs=1", "--set", "controls=[]")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        for recipe in ("quickstart", "local_informed"):
            typed("run", recipe, *short)
        photos = ("data={name: image-folder, root: PHOTOS, image_size: 32}", "backbone.patch_size=8", "name=photos")
        typed("run", "quickstart", *short, *(word for each in photos for word in ("--set", each)))
        small = ["seeds=1", "recipe.train.epochs=1", "starts=[row]", "learners={}", "controls=[]"]
        typed("study", "demo", *(word for each in small for word in ("--set", each)))
        shutil.copytree("runs/demo", "runs/quick")


@pytest.fixture(scope="session")
def furnished(tmp_path_factory):
    """What a reader has: a recipe, photos, runs and a study."""
    return made_once(tmp_path_factory, "furnished", furnish)


@pytest.fixture
def home(furnished, tmp_path, monkeypatch):
    """A copy of it, to work in."""
    home = shutil.copytree(furnished, tmp_path / "home")
    monkeypatch.chdir(home)
    return home


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of libraries that pages show, such as Lightning
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_the_blocks_of_a_page_run(page, home):
    PageRun(page).run()


@pytest.mark.slow
def test_every_command_works_twice(home):
    PageRun(Page(COMMANDS)).run()
    shutil.rmtree("reorder-kit-my-walk")  # new-plugin refuses a folder that exists
    PageRun(Page(COMMANDS)).run()


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_runs_or_says_why_not(block):
    if block.reason:
        assert re.search(r"\w+ \w+", block.reason)
    elif block.language == "console":
        assert list(block.arguments)
    else:
        compile(block.small_source, "block", "exec")


@cache
def schema():
    return recipe_schema(PluginHost(third_party=False))


@pytest.mark.parametrize("block", YAML)
def test_a_yaml_block_is_part_of_a_recipe_or_a_study(block):
    shown = yaml.safe_load(block.source)
    if "seeds" in shown or not shown.keys() <= Recipe.model_fields.keys():
        recipe = {"recipe": {}} if isinstance(shown.get("recipe"), str) else {}  # a name, or a file of the reader's
        Study.model_validate({**find_study("quick")[0], **shown, **recipe})
    else:
        jsonschema.validate({**read_recipe("quickstart")[0], **shown}, schema())
